/**
 * `node server.js ENDPOINT LOG`: writes each Append to LOG, a line in one write. What it had written before it was killed it does not write again: an
 * effect and the word that it has happened cannot be one step, unless the effect itself tells. Within one run the server alone sees to that.
 */

import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { RpcServer } from '../../../dist/index.js'
import { Append } from './append.js'

const [endpoint = '', log = ''] = process.argv.slice(2)
const before = new Set(existsSync(log) ? readFileSync(log, 'utf8').split('\n') : [])

const server = new RpcServer({ rep: endpoint })
server.register(Append, ({ sender, epoch, n }) => {
  const line = `${sender} ${epoch} ${n}`
  if (!before.has(line)) appendFileSync(log, `${line}\n`)
  return n
})
await server.start()
console.log('ready')
