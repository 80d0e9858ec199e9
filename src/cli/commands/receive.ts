/** `zmq-rpc receive`: shows the texts that are sent to it. */

import { Receiver, type ServiceContext } from '../../index.ts'
import { defineCommand } from '../command-line.ts'
import { AUTH_OPTIONS, authOf } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { printable } from '../json.ts'
import { untilStopped } from '../until-stopped.ts'
import { readCount, readOwnEndpoint } from '../values.ts'

export const receive = defineCommand({
  summary: 'show the texts that are sent here',
  usage: 'ENDPOINT',
  positionals: [1, 1],
  options: {
    count: { type: 'string', short: 'c', value: 'N', text: 'end after so many' },
    ...AUTH_OPTIONS,
  },
  details: [
    'Binds ENDPOINT, and writes each text that a Sender (pyzmqrpc3: ZmqSender) sends there on a line. What publishers say is shown by zmq-rpc snoop.',
  ],
  examples: [['zmq-rpc receive :30002', 'until Ctrl-C']],
  async run({ options, positionals: [endpoint = ''] }, session) {
    const count = readCount('count', options.count) ?? Number.POSITIVE_INFINITY
    let received = 0
    let finish = (): void => {}
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    class Shown extends Receiver {
      override async handleIncomingMessage(text: string, { peer }: ServiceContext): Promise<void> {
        if (++received > count) return
        await (session.json ? session.data({ time: new Date(), from: peer.remoteAddress, text }) : session.line(printable(text)))
        if (received >= count) finish()
      }
    }
    await using receiver = new Shown({ rep: readOwnEndpoint(endpoint), auth: authOf(options, session) })
    await receiver.start()
    session.note(session.paintNote.dim(`listening on ${receiver.endpoints.join(', ')}; Ctrl-C ends it`))
    await untilStopped(session.signal, finished)
    return EXIT.done
  },
})
