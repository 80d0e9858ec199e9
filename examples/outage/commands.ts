/** What both sides know; `sensor.py` has the same in Python. */

import { Command } from 'zmq-rpc'

export class Sample extends Command<void> {
  static readonly commandName = 'Sample'
  sensor: string
  /** Counts up from 1. */
  n: number

  constructor(sensor = '', n = 0) {
    super()
    this.sensor = sensor
    this.n = n
  }
}
