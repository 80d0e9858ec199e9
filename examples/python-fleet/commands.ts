/** What server and sensors share: the command. The counterpart of commands.py. */

import { Command } from 'zmq-rpc'

/** A measurement. The answer: seconds until the next one is wanted. */
export class Report extends Command<number> {
  celsius = 0
}
