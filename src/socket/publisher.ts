/**
 * PUB: each message goes to all subscribers that want it [RFC 29]. A subscriber at its high-water mark misses the whole
 * message; the others do not. `send` never waits.
 */

import type { CommonOptions, SendOptions } from './options.ts'
import { type SocketOptions, WritableSocket } from './socket.ts'
import { PublishingPattern } from './xpublisher.ts'

/** A PUB socket: publishes to SUB and XSUB. */
export class Publisher extends WritableSocket {
  constructor(options?: SocketOptions<CommonOptions & SendOptions>) {
    super('PUB', () => new PublishingPattern(), options)
  }
}
