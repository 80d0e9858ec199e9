/** The receiver of plain text messages, on REP and SUB endpoints: pyzmqrpc3's ZmqReceiver. */

import type { Message } from '../wire/index.ts'
import { STATUS } from './dialect/pyzmqrpc3.ts'
import { MessageServer } from './message-server.ts'
import type { ServiceContext } from './service.ts'
import { type ReplyFrame, refuse, runService } from './service-call.ts'

/**
 * Takes the messages of `Sender`s. Extend it and override {@link handleIncomingMessage} to do something with them.
 *
 * Heartbeats are no messages.
 */
export class Receiver extends MessageServer {
  #last: string | undefined

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

  protected override answer(body: Message, context: ServiceContext): ReplyFrame | Promise<ReplyFrame> {
    const text = readText(body)
    if (text === undefined) {
      const statusText = 'The message is not one frame of UTF-8 text.'
      return refuse({ status: STATUS.badCommand, statusText, detail: statusText }, context)
    }
    this.#last = text
    const serviceName = this.constructor.name
    return runService({ command: '(text)', serviceName, execute: (given) => this.handleIncomingMessage(text, given) }, context)
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function readText(body: Message): string | undefined {
  if (body.length !== 1) return undefined
  try {
    return UTF8.decode(body[0])
  } catch {
    return undefined
  }
}
