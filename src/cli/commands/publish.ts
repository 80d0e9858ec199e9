/** `zmq-rpc publish`: publishes commands to whoever listens. */

import { OpaqueCommand, RpcClient } from '../../index.ts'
import { defineCommand } from '../command-line.ts'
import { CREDENTIAL_OPTIONS, credentialsOf } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { readJsonLines } from '../input.ts'
import { readJson } from '../json.ts'
import { UsageError } from '../usage-error.ts'
import { readCount, readDuration, readOwnEndpoint } from '../values.ts'

export const publish = defineCommand({
  summary: 'publish a command to whoever listens',
  usage: 'ENDPOINT COMMAND [JSON]',
  positionals: [2, 3],
  options: {
    wait: { type: 'string', short: 'w', value: 'N', text: 'for so many listeners, before anything is published (1); 0: for none' },
    timeout: { type: 'string', short: 't', value: 'TIME', text: 'for the listeners to come (10s)' },
    stdin: { type: 'boolean', text: 'publish once for each line of stdin, the JSON of a state each' },
    ...CREDENTIAL_OPTIONS,
  },
  details: [
    'Binds ENDPOINT, since listeners connect to publishers; waits until somebody listens; publishes, and ends. Nobody answers: what is done about it is not known here.',
  ],
  examples: [
    [`zmq-rpc publish :30001 Greet '{"name": "everybody"}'`, 'once somebody listens'],
    ['zmq-rpc publish :30001 Measured --stdin --wait 2 < measured.jsonl', 'many, once two listen'],
  ],
  async run({ options, positionals: [endpoint = '', name = '', json] }, session) {
    if (options.stdin && json !== undefined) throw new UsageError('the state is given twice: as an argument, and on stdin')
    const states = options.stdin ? readJsonLines(session.signal) : [json === undefined ? {} : readJson(json, 'the state')]
    const subscribers = readCount('wait', options.wait, 0) ?? 1
    const timeoutMs = readDuration('timeout', options.timeout) ?? 10_000
    const client = new RpcClient({ pub: readOwnEndpoint(endpoint), credentials: credentialsOf(options, session) })
    const close = (): void => void client.close()
    session.signal.addEventListener('abort', close)
    try {
      await client.ready()
      session.progress(`${client.publishEndpoint}: waiting for ${subscribers === 1 ? 'a listener' : `${subscribers} listeners`}`)
      await client.ready({ subscribers, timeoutMs })
      let published = 0
      for await (const state of states) {
        await client.publish(new OpaqueCommand(name, state))
        published++
      }
      const listeners = client.stats().subscribers
      const lost = client.stats().dropped.slowSubscriber
      if (session.json) await session.data({ endpoint: client.publishEndpoint, published, listeners, dropped: lost })
      else await session.line(`published ${published} × ${name} to ${listeners} ${listeners === 1 ? 'listener' : 'listeners'}`)
      if (lost > 0) session.warn(`${lost} messages were dropped: a listener did not keep up`)
      return EXIT.done
    } finally {
      session.signal.removeEventListener('abort', close)
      await client.close()
    }
  },
})
