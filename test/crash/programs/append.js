/** What the clients of the crash test have carried out: a number of theirs, to be written down once. */

import { Command } from '../../../dist/index.js'

export class Append extends Command {
  static commandName = 'Append'
  /** Of the client. */
  sender = ''
  /** How often the client was started before. */
  epoch = 0
  n = 0
}
