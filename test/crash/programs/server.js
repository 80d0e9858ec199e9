/**
 * `node server.js ENDPOINT LOG FOLDER`: writes each Append to LOG, a line in one write, and `server` when it starts. What it has answered it keeps in FOLDER. Of
 * what was carried out, and not answered on disk, when it was killed, only LOG itself can tell: it is not carried out again, and a line `again …` says that it would have
 * been, so that the test can tell whether it may.
 */

import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { RpcServer } from '../../../dist/index.js'
import { Append } from './append.js'

const [endpoint = '', log = '', path = ''] = process.argv.slice(2)
const before = new Set(existsSync(log) ? readFileSync(log, 'utf8').split('\n') : [])
appendFileSync(log, 'server\n')

const server = new RpcServer({ rep: endpoint, idempotency: { path } })
server.register(Append, ({ sender, epoch, n }) => {
  const line = `${sender} ${epoch} ${n}`
  appendFileSync(log, before.has(line) ? `again ${line}\n` : `${line}\n`)
  return n
})
await server.start()
console.log('ready')
