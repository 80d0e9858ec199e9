/**
 * `node server.js ENDPOINT LOG FOLDER`: writes each Append to LOG, a line in one write. That none is written twice is the server's doing, which keeps what
 * it has answered in FOLDER; but for the one whose service was running when it was killed: that such a one was written only LOG itself can tell.
 */

import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { RpcServer } from '../../../dist/index.js'
import { Append } from './append.js'

const [endpoint = '', log = '', path = ''] = process.argv.slice(2)
/** Lanes run one call at a time: no more can have been running than there are clients. */
const LAST = 100
const before = new Set(existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(-LAST) : [])

const server = new RpcServer({ rep: endpoint, idempotency: { path } })
server.register(Append, ({ sender, epoch, n }) => {
  const line = `${sender} ${epoch} ${n}`
  if (!before.has(line)) appendFileSync(log, `${line}\n`)
  return n
})
await server.start()
console.log('ready')
