/** `node proxy.js REP REQ FOLDER`: a buffered proxy. On each line of its input it says what its buffer holds. */

import { createInterface } from 'node:readline'
import { RpcProxy } from '../../../dist/index.js'

const [rep = '', req = '', path = ''] = process.argv.slice(2)
const proxy = new RpcProxy({ rep, req, buffer: { path } })
await proxy.start()
console.log('ready')
createInterface(process.stdin).on('line', async () => {
  console.log(JSON.stringify({ ...proxy.stats().buffer, letters: (await proxy.deadLetters()).map(({ reason }) => reason) }))
})
