/** What client and server share: the command. */

import { Command } from 'zmq-rpc'

/** The lines of a log file, those that are there and those that come. Ends when its reader does. */
export class FollowLog extends Command<AsyncIterable<string>> {
  file: string

  /** @param file its name, without a folder */
  constructor(file = '') {
    super()
    this.file = file
  }
}
