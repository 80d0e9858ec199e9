/** `zmq-rpc submit`: has a command kept on disk by a buffer, and shows the receipt. */

import { OpaqueCommand } from '../../index.ts'
import { defineCommand } from '../command-line.ts'
import { CLIENT_OPTIONS, withClient } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { readInput } from '../input.ts'
import { readJson } from '../json.ts'
import { UsageError } from '../usage-error.ts'
import { readDuration, readEndpoint, readPairs } from '../values.ts'

export const submit = defineCommand({
  summary: 'have a command kept by a buffer, and carried out whatever happens',
  usage: 'ENDPOINT COMMAND [JSON]',
  positionals: [2, 3],
  options: {
    ...CLIENT_OPTIONS,
    ttl: { type: 'string', value: 'TIME', text: 'give it up when it was not carried out by then; the buffer has a limit of its own' },
    'ordering-key': { type: 'string', value: 'KEY', text: 'those with the same one are carried out one after the other' },
    'idempotency-key': { type: 'string', value: 'KEY', text: 'a name for this very command: submitted again, it is kept once' },
    metadata: { type: 'string', short: 'm', multiple: true, value: 'NAME=TEXT', text: 'send this along; may be given several times' },
    stdin: { type: 'boolean', text: 'read the JSON from stdin' },
  },
  details: [
    'ENDPOINT is that of a proxy with a buffer (zmq-rpc proxy --buffer). As soon as the command is on disk there, its receipt is written to stdout: a line of JSON, by which zmq-rpc result tells what came of it.',
  ],
  examples: [
    [`zmq-rpc submit localhost:30000 Greet '{"name": "Ada"}' > receipt.json`, ''],
    ['zmq-rpc result < receipt.json', 'the result, as soon as there is one'],
  ],
  async run({ options, positionals: [endpoint = '', name = '', json] }, session) {
    if (options.stdin && json !== undefined) throw new UsageError('the state is given twice: as an argument, and on stdin')
    const text = options.stdin ? await readInput(session.signal) : (json ?? '{}')
    const command = new OpaqueCommand(name, readJson(text, options.stdin ? 'stdin' : 'the state'))
    const ttlMs = readDuration('ttl', options.ttl)
    return withClient(readEndpoint(endpoint), options, session, async (client) => {
      const receipt = await client.submit(command, {
        signal: session.signal,
        metadata: readPairs('metadata', options.metadata),
        ttlMs,
        // One command is in order with nothing but what has the same key.
        orderingKey: options['ordering-key'] ?? null,
        idempotencyKey: options['idempotency-key'],
      })
      await session.data(receipt)
      return EXIT.done
    })
  },
})
