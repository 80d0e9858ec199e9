/**
 * PUB: each message goes to all subscribers that want it [RFC 29]. A subscriber at its high-water mark misses the whole
 * message; the others do not. `send` never waits, unless `noDrop` is set.
 */

import { CONFLATE_OPTIONS, type CommonOptions, type ConflateOptions, defineOptions, type SendOptions } from './options.ts'
import { type SocketOptions, WritableSocket } from './socket.ts'
import { PUBLISH_OPTIONS, PublishingPattern, type PublishOptions } from './xpublisher.ts'

export interface Publisher extends PublishOptions, ConflateOptions {}

/** A PUB socket: publishes to SUB and XSUB. */
export class Publisher extends WritableSocket {
  constructor(options?: SocketOptions<CommonOptions & SendOptions & PublishOptions & ConflateOptions>) {
    super('PUB', (host, socket) => new PublishingPattern(host, socket as Publisher), options)
  }
}

defineOptions(Publisher.prototype, PUBLISH_OPTIONS)
defineOptions(Publisher.prototype, CONFLATE_OPTIONS)
