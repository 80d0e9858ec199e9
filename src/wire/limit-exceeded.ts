/** What a peer is ended for that wants more than it may have. */

import { ProtocolError } from '../errors.ts'

/** The limits whose excess ends a connection, by the socket's option that sets each. */
export type ConnectionLimit = 'maxHandshakeBytes' | 'handshakeInterval' | 'maxMessageSize' | 'maxSubscriptionBytes'

export class LimitExceeded extends ProtocolError {
  readonly limit: ConnectionLimit

  constructor(limit: ConnectionLimit, reason: string) {
    super(reason)
    this.limit = limit
  }
}
