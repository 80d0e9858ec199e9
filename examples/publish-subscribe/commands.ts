/** What publisher and subscriber share: the command. */

import { Command } from 'zmq-rpc'

/** A temperature that was measured. Nobody answers a published command: its result is `void`. */
export class Reading extends Command<void> {
  sensor: string
  celsius: number

  constructor(sensor = '', celsius = 0) {
    super()
    this.sensor = sensor
    this.celsius = celsius
  }
}
