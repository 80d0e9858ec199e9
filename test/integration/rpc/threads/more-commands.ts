/** The commands of `test/helpers/rpc.ts`, which a thread cannot import: vitest lives there. */

import { Command } from '../../../../src/index.ts'

export class Greet extends Command<string> {
  static readonly commandName: string = 'Greet'
  name = ''
}

export class Echo extends Command {
  static readonly commandName: string = 'Echo'
  value: unknown = null
}
