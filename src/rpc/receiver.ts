/** The receiver of plain text messages, on REP and SUB endpoints: pyzmqrpc3's ZmqReceiver. */

import { publish } from '../observability/events.ts'
import type { Message } from '../wire/index.ts'
import { encodeReply, STATUS, STATUS_TEXT } from './dialect/pyzmqrpc3.ts'
import { errorText } from './error-text.ts'
import { type Answer, isPromiseLike, MessageServer, publishServiceFailure } from './message-server.ts'
import type { ServiceContext } from './service.ts'

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

  protected override answer(body: Message, context: ServiceContext): Answer | Promise<Answer> {
    const succeeded = (result: unknown): Answer => {
      try {
        return context.peer.kind === 'pub' ? undefined : encodeReply({ status: STATUS.ok, statusText: STATUS_TEXT.ok, result })
      } catch (error) {
        return failed(error)
      }
    }
    const failed = (error: unknown): Answer => {
      publishServiceFailure(context, '(text)', error)
      if (context.peer.kind === 'pub') return undefined
      return encodeReply({
        status: STATUS.serviceRaised,
        statusText: STATUS_TEXT.serviceRaised(this.constructor.name, errorText(error)),
      })
    }
    const text = readText(body)
    if (text === undefined) return this.#refuse('The message is not one frame of UTF-8 text.', context)
    this.#last = text
    try {
      const result = this.handleIncomingMessage(text, context)
      return isPromiseLike(result) ? Promise.resolve(result).then(succeeded, failed) : succeeded(result)
    } catch (error) {
      return failed(error)
    }
  }

  #refuse(statusText: string, context: ServiceContext): Answer {
    const { endpoint, remoteAddress } = context.peer
    const status = STATUS.badCommand
    publish('zmq-rpc:command:refused', () => ({
      endpoint,
      remoteAddress,
      status,
      command: undefined,
      detail: statusText,
      error: undefined,
    }))
    return encodeReply({ status, statusText })
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
