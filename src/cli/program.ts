/** From the arguments to the end of the process: finds the command, reads its options, runs it, and tells what went wrong. */

import { nearestName } from '../options.ts'
import {
  type CliCommand,
  COMMON_OPTIONS,
  checkPositionals,
  type OptionTable,
  type OptionValues,
  parseCommandLine,
  quoted,
} from './command-line.ts'
import { COMMANDS } from './commands.ts'
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts'
import { adviceOn, failureAsData, wordsOf } from './failure.ts'
import { helpOf, overview, TOPICS } from './help.ts'
import { writeJson } from './json.ts'
import type { Session } from './session.ts'
import { UsageError } from './usage-error.ts'

const NAMES = Object.keys(COMMANDS)
const SUMMARIES = Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary] as const)

/** Never rejects. */
export async function runProgram(args: readonly string[], session: Session, version: string): Promise<ExitCode> {
  const [name = '', ...rest] = args
  try {
    return await dispatch(name, rest, session, version)
  } catch (error) {
    if (session.signal.aborted) return session.signal.reason as ExitCode
    tell(error, name in COMMANDS ? name : '', session)
    return exitCodeOf(error)
  }
}

async function dispatch(name: string, args: readonly string[], session: Session, version: string): Promise<ExitCode> {
  if (name === '' || name === 'help' || name === '--help' || name === '-h')
    return help(name === 'help' ? args[0] : undefined, session, name === '')
  if (name === '--version' || name === '-V' || name === 'version') {
    await (session.json ? session.data({ version }) : session.line(version))
    return EXIT.done
  }
  const command = find(name)
  const table = { ...command.options, ...COMMON_OPTIONS }
  // Help goes before what else may be wrong.
  if (args.includes('--help') || args.includes('-h')) return help(name, session, false)
  const { options, positionals } = parseCommandLine(command.prepare?.(args) ?? args, table)
  checkPositionals(positionals, command)
  return command.run({ options: options as OptionValues<OptionTable>, positionals }, session)
}

async function help(name: string | undefined, session: Session, wasMissing: boolean): Promise<ExitCode> {
  if (wasMissing) {
    session.note(overview(SUMMARIES, session.paintNote))
    return EXIT.usage
  }
  const topic = name === undefined ? undefined : TOPICS[name]
  if (name === undefined) await session.line(overview(SUMMARIES, session.paint))
  else if (topic !== undefined) await session.line(topic(session.paint))
  else {
    const command = find(name)
    await session.line(helpOf(name, command, session.paint))
  }
  return EXIT.done
}

/** @throws UsageError */
function find(name: string): CliCommand {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command !== undefined) return command
  if (name.startsWith('-')) throw new UsageError(`a command comes first, before ${quoted(name.replace(/=.*/s, ''))}: ${NAMES.join(', ')}`)
  const meant = nearestName(name, NAMES)
  throw new UsageError(
    `there is no command ${quoted(name)}${meant === undefined ? `: there are ${NAMES.join(', ')}` : `; did you mean ${meant}?`}`,
  )
}

function tell(error: unknown, name: string, session: Session): void {
  if (session.json) return session.note(writeJson(failureAsData(error)))
  const { red, dim } = session.paintNote
  session.note(`${red('error:')} ${wordsOf(error)}`)
  const advice = adviceOn(error, name)
  if (advice !== undefined) session.note(dim(`  ${advice}`))
  // Where it is our own mistake, the place is what there is to report.
  if (session.env['ZMQ_RPC_DEBUG'] && error instanceof Error) session.note(error.stack ?? '')
}
