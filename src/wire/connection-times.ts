/** The deadlines of a connection, as times in ms; Infinity where none is armed. Most connections have none after their handshake. */
export class ConnectionTimes {
  /** The handshake is to be over. */
  handshakeBy = Number.POSITIVE_INFINITY
  /** The part of our greeting that is held back goes out. */
  greetBy = Number.POSITIVE_INFINITY
  /** The next PING. */
  pingAt = Number.POSITIVE_INFINITY
  /** Something is to have come after our PING. */
  aliveBy = Number.POSITIVE_INFINITY
  /** Something is to have come after the peer's PING. */
  ttlBy = Number.POSITIVE_INFINITY

  get first(): number {
    return Math.min(this.handshakeBy, this.greetBy, this.pingAt, this.aliveBy, this.ttlBy)
  }

  /** A byte came: nobody is silent. */
  heard(): void {
    this.aliveBy = Number.POSITIVE_INFINITY
    this.ttlBy = Number.POSITIVE_INFINITY
  }
}
