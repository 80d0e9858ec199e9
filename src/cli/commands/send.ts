/** `zmq-rpc send`: a text, to a receiver of texts. */

import { Sender } from '../../index.ts'
import { defineCommand } from '../command-line.ts'
import { CLIENT_OPTIONS, connectMsOf, credentialsOf } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { readInput } from '../input.ts'
import { UsageError } from '../usage-error.ts'
import { readDuration, readEndpoint } from '../values.ts'

export const send = defineCommand({
  summary: 'send a text to a receiver',
  usage: 'ENDPOINT [TEXT]',
  positionals: [1, 2],
  options: CLIENT_OPTIONS,
  details: [
    'Sends a text to a Receiver (pyzmqrpc3: ZmqReceiver) and waits for its answer. Without TEXT, it is read from stdin, but for a line end behind it.',
  ],
  examples: [
    ['zmq-rpc send localhost:30002 "lights off"', ''],
    ['zmq-rpc send localhost:30002 < note.txt', 'the text of a file'],
  ],
  async run({ options, positionals: [endpoint = '', given] }, session) {
    if (given === undefined && process.stdin.isTTY) throw new UsageError('TEXT is missing')
    const text = given ?? (await readInput(session.signal)).replace(/\r?\n$/, '')
    const timeoutMs = readDuration('timeout', options.timeout)
    await using sender = new Sender({ req: readEndpoint(endpoint), credentials: credentialsOf(options, session), timeoutMs })
    session.signal.addEventListener('abort', () => void sender.close())
    await sender.ready({ timeoutMs: connectMsOf(options) })
    const answer = await sender.send(text, { signal: session.signal })
    if (session.json) await session.data({ answer: answer ?? null })
    else if (answer === undefined) session.note('taken')
    else await session.data(answer)
    return EXIT.done
  },
})
