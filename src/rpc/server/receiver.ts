/** The receiver of plain text messages, on REP and SUB endpoints: pyzmqrpc3's ZmqReceiver. */

import { checkOptions } from '../../options.ts'
import type { Message } from '../../wire/index.ts'
import { readText } from '../dialect/any-message.ts'
import { STATUS } from '../error/status.ts'
import { MESSAGE_SERVER_OPTIONS, MessageServer, type MessageServerOptions } from './message-server.ts'
import type { ServerCall } from './server-call.ts'
import type { ServiceContext } from './service.ts'
import type { Refusal, ServiceRun } from './service-run.ts'

/**
 * Takes the messages of `Sender`s. Extend it and override {@link handleIncomingMessage} to do something with them.
 *
 * Heartbeats are no messages.
 */
export class Receiver extends MessageServer {
  #last: string | undefined

  /** @throws ZmqRpcError BAD_OPTION. */
  constructor(options: MessageServerOptions) {
    checkOptions('Receiver', options, MESSAGE_SERVER_OPTIONS)
    super(options)
  }

  /** The last message that came in; undefined before the first. */
  get lastReceivedMessage(): string | undefined {
    return this.#last
  }

  /**
   * Called for each message. What it returns (or resolves to) is the sender's result, where it waits for one; what it throws
   * reaches the sender as status 463. The default does nothing: the sender hears 200.
   */
  handleIncomingMessage(_text: string, _context: ServiceContext): unknown {
    return undefined
  }

  protected override open(body: Message, call: ServerCall): ServiceRun | Refusal {
    if (call.dialect === 'native') return { status: STATUS.noService, text: 'this is a receiver of texts: it carries no commands out' }
    const text = readText(body)
    if (text === undefined) return { status: STATUS.badCommand, text: 'The message is not one frame of UTF-8 text.' }
    this.#last = text
    return { command: '(text)', serviceName: this.constructor.name, execute: (context) => this.handleIncomingMessage(text, context) }
  }
}
