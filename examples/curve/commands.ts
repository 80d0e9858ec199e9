/** What client and server share: the command. */

import { Command } from 'zmq-rpc'

/** Opens a door. */
export class OpenDoor extends Command<string> {
  door: string

  constructor(door = '') {
    super()
    this.door = door
  }
}
