/** The commands there are, in the order of the overview. */

import type { CliCommand } from './command-line.ts'
import { bench } from './commands/bench.ts'
import { call } from './commands/call.ts'
import { doctor } from './commands/doctor.ts'
import { keygen } from './commands/keygen.ts'
import { ls } from './commands/ls.ts'
import { ping } from './commands/ping.ts'
import { proxy } from './commands/proxy.ts'
import { publish } from './commands/publish.ts'
import { queue } from './commands/queue.ts'
import { receive } from './commands/receive.ts'
import { result } from './commands/result.ts'
import { send } from './commands/send.ts'
import { serve } from './commands/serve.ts'
import { snoop } from './commands/snoop.ts'
import { submit } from './commands/submit.ts'

export const COMMANDS: Readonly<Record<string, CliCommand>> = {
  serve,
  call,
  ls,
  ping,
  doctor,
  bench,
  snoop,
  publish,
  send,
  receive,
  proxy,
  submit,
  result,
  queue,
  keygen,
}
