/** PULL: work of PUSH sockets, from each in turn [RFC 30]. A full inbox stops reading; nothing is dropped. */

import { BalancedPattern } from './dealer.ts'
import { CONFLATE_OPTIONS, type CommonOptions, type ConflateOptions, defineOptions, type ReceiveOptions } from './options.ts'
import { ReadableSocket, type SocketOptions } from './socket.ts'

export interface Pull extends ConflateOptions {}

/** A PULL socket: takes the messages of PUSH sockets in turn. */
export class Pull extends ReadableSocket {
  constructor(options?: SocketOptions<CommonOptions & ReceiveOptions & ConflateOptions>) {
    super('PULL', (host) => new BalancedPattern(host), options)
  }
}

defineOptions(Pull.prototype, CONFLATE_OPTIONS)
