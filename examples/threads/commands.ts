/** What client and server share: the command. */

import { Command } from 'zmq-rpc'

/** Primes below a number, and who counted them. */
export class CountPrimes extends Command<{ primes: number; thread: number }> {
  below: number

  constructor(below = 0) {
    super()
    this.below = below
  }
}
