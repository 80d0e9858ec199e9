/** PULL: work of PUSH sockets, from each in turn [RFC 30]. A full inbox stops reading; nothing is dropped. */

import { BalancedPattern } from './dealer.ts'
import type { CommonOptions, ReceiveOptions } from './options.ts'
import { ReadableSocket, type SocketOptions } from './socket.ts'

/** A PULL socket: takes the messages of PUSH sockets in turn. */
export class Pull extends ReadableSocket {
  constructor(options?: SocketOptions<CommonOptions & ReceiveOptions>) {
    super('PULL', (host) => new BalancedPattern(host), options)
  }
}
