/** PUSH: work for PULL sockets, to each in turn [RFC 30]. At the high-water mark of all, or without any, `send` waits. */

import { BalancedPattern } from './dealer.ts'
import { CONFLATE_OPTIONS, type CommonOptions, type ConflateOptions, defineOptions, type SendOptions } from './options.ts'
import { type SocketOptions, WritableSocket } from './socket.ts'

export interface Push extends ConflateOptions {}

/** A PUSH socket: hands its messages to PULL sockets in turn. */
export class Push extends WritableSocket {
  constructor(options?: SocketOptions<CommonOptions & SendOptions & ConflateOptions>) {
    super('PUSH', (host) => new PushPattern(host), options)
  }
}

defineOptions(Push.prototype, CONFLATE_OPTIONS)

class PushPattern extends BalancedPattern {
  /** A PULL has nothing to say. */
  override message(): void {}
}
