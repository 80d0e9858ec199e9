/** A process that has a JetStream store open, to be killed or frozen: see {@link LineProcess}. Its options are in argv, as JSON. */

import { createInterface } from 'node:readline'
import { ZmqRpcError } from '../../src/errors.ts'
import { JetStreamStore } from '../../src/store/jetstream/index.ts'

const store = new JetStreamStore(JSON.parse(process.argv[2] as string))
await store.open()

for await (const line of createInterface({ input: process.stdin })) {
  const { id, record } = JSON.parse(line) as { id: number; record: string }
  const answer = await store.append({ id: record, data: Buffer.from(record) }).then(
    ({ seq }) => ({ seq }),
    (error) => ({ code: error instanceof ZmqRpcError ? error.code : String(error) }),
  )
  process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`)
}
await store.close()
