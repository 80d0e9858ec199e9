/** What client and server share: the command. */

import { Command } from 'zmq-rpc'

/**
 * A command with two parameters, answered by a text. The class name and the field names are what travels: they are the same
 * in commands.py, so every client here understands every server here.
 */
export class SimpleCommand extends Command<string> {
  param1: string
  param2: string

  constructor(param1 = '', param2 = '') {
    super()
    this.param1 = param1
    this.param2 = param2
  }
}
