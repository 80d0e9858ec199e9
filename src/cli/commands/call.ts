/** `zmq-rpc call`: one call, and its result as JSON. */

import { OpaqueCommand } from '../../index.ts'
import { defineCommand } from '../command-line.ts'
import { CLIENT_OPTIONS, withClient } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { readInput, readJsonLines } from '../input.ts'
import { readJson } from '../json.ts'
import { showResult } from '../result.ts'
import { askForFields } from '../strange-fields.ts'
import { UsageError } from '../usage-error.ts'
import { readEndpoint, readPairs } from '../values.ts'

export const call = defineCommand({
  summary: 'have a command carried out, and show its result',
  usage: 'ENDPOINT COMMAND [JSON]',
  positionals: [2, 3],
  options: {
    ...CLIENT_OPTIONS,
    stdin: { type: 'boolean', text: 'read the JSON from stdin' },
    stream: { type: 'string', value: 'FIELD', text: 'send the lines of stdin, JSON each, as the stream in this field of the command' },
    raw: { type: 'boolean', short: 'r', text: 'write strings as they are, without quotes' },
    metadata: { type: 'string', short: 'm', multiple: true, value: 'NAME=TEXT', text: 'send this along; may be given several times' },
    'idempotency-key': {
      type: 'string',
      value: 'KEY',
      text: 'a name for this very call: a server carries it out once, however often it is sent',
    },
  },
  details: [
    'JSON is the state of the command: its fields. Without it, all have the values that the server gives them.',
    'The result is written as JSON: indented on a terminal, on one line elsewhere. A stream is written item by item, one on each line, as they come.',
  ],
  examples: [
    [`zmq-rpc call localhost:30000 Greet '{"name": "Ada"}'`, 'one call'],
    ['zmq-rpc call localhost:30000 Greet --stdin < ada.json', 'the state from a file'],
    [`zmq-rpc call localhost:30000 Tail '{"file": "log"}' | head -3`, 'the first three items of a stream; the service then stops'],
    ['seq 100 | zmq-rpc call localhost:30000 Sum --stream numbers', 'a stream to the server'],
  ],
  async run({ options, positionals: [endpoint = '', name = '', json] }, session) {
    const state = await stateOf(json, options, session.signal)
    const metadata = readPairs('metadata', options.metadata)
    return withClient(readEndpoint(endpoint), options, session, async (client) => {
      // Programs know what they send, and are not kept waiting for it.
      const strange = session.interactive ? askForFields(client, name, state, session.signal) : async () => []
      try {
        const result = await client.execute(new OpaqueCommand(name, state), {
          signal: session.signal,
          metadata,
          idempotencyKey: options['idempotency-key'],
        })
        await showResult(result, session, options.raw === true)
      } finally {
        for (const text of await strange()) session.warn(text)
      }
      return EXIT.done
    })
  },
})

async function stateOf(
  json: string | undefined,
  { stdin, stream }: { stdin?: boolean | undefined; stream?: string | undefined },
  signal: AbortSignal,
): Promise<unknown> {
  if (stdin && json !== undefined) throw new UsageError('the state is given twice: as an argument, and on stdin')
  if (stdin && stream !== undefined) throw new UsageError('stdin is either the state (--stdin) or a stream (--stream)')
  const state = stdin ? readJson(await readInput(signal), 'stdin') : json === undefined ? {} : readJson(json, 'the state')
  if (stream === undefined) return state
  if (typeof state !== 'object' || state === null || Array.isArray(state)) throw new UsageError('--stream needs a state that is an object')
  return { ...state, [stream]: readJsonLines(signal) }
}
