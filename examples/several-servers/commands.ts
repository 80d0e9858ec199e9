/** What client and servers share: the command. */

import { Command } from 'zmq-rpc'

/** A square, and who worked it out. */
export class Square extends Command<{ square: number; by: string }> {
  /**
   * May be carried out twice: so the client may send it to another server when the first one is gone in the midst of it. Without this,
   * such a call fails with CONNECTION_LOST, since nobody knows how far it came.
   */
  static readonly idempotent = true
  n: number

  constructor(n = 0) {
    super()
    this.n = n
  }
}
