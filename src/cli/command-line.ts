/**
 * What a command of the command line is, and how its arguments are read: `parseArgs` of `node:util` does the work, and what it finds
 * wrong is told in our own words, with what may have been meant.
 */

import { type ParseArgsConfig, parseArgs } from 'node:util'
import { nearestName } from '../options.ts'
import type { ExitCode } from './exit-codes.ts'
import type { Session } from './session.ts'
import { UsageError } from './usage-error.ts'

/** One option of a command. */
export interface OptionSpec {
  /** `string`: it has a value. */
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** May be given several times. */
  readonly multiple?: boolean
  /** How help calls its value. */
  readonly value?: string
  /** What it does; none: help does not show it. */
  readonly text?: string
}

export type OptionTable = Readonly<Record<string, OptionSpec>>

type ValueOf<S extends OptionSpec> = S extends { type: 'boolean' } ? boolean : S extends { multiple: true } ? string[] : string

/** What was given, by the names of the options; undefined for what was not. */
export type OptionValues<T extends OptionTable> = { readonly [Name in keyof T]: ValueOf<T[Name]> | undefined }

/** A command, such as `call`. */
export interface CliCommand<T extends OptionTable = OptionTable> {
  /** One line, for the overview. */
  readonly summary: string
  /** What follows its name, for help: `ENDPOINT COMMAND [JSON]`. */
  readonly usage: string
  /** How many arguments it takes besides options. */
  readonly positionals: readonly [least: number, most: number]
  readonly options: T
  /** Paragraphs of help, after its summary. */
  readonly details: readonly string[]
  readonly examples: readonly (readonly [commandLine: string, what: string])[]
  /** Changes arguments that are written otherwise than `parseArgs` has it. */
  prepare?(args: readonly string[]): readonly string[]
  /** Resolves to how the process ends; what it throws is told by `failure.ts`. */
  run(given: { readonly options: OptionValues<T>; readonly positionals: readonly string[] }, session: Session): Promise<ExitCode>
}

/** Has TypeScript infer the types of the options. */
export function defineCommand<const T extends OptionTable>(command: CliCommand<T>): CliCommand<T> {
  return command
}

/** Options that every command has. */
export const COMMON_OPTIONS = {
  json: { type: 'boolean', text: 'write JSON, for programs: one object, or one on each line' },
  'no-color': { type: 'boolean', text: 'no colours; NO_COLOR in the environment does the same' },
  help: { type: 'boolean', short: 'h', text: 'show this' },
} as const satisfies OptionTable

/** @throws UsageError */
export function parseCommandLine(
  args: readonly string[],
  table: OptionTable,
): { readonly options: Readonly<Record<string, string | boolean | string[] | undefined>>; readonly positionals: readonly string[] } {
  const options: NonNullable<ParseArgsConfig['options']> = {}
  for (const [name, { type, short, multiple }] of Object.entries(table)) {
    options[name] = { type, ...(short !== undefined && { short }), ...(multiple && { multiple }) }
  }
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
    return { options: values as Record<string, string | boolean | string[]>, positionals }
  } catch (error) {
    throw new UsageError(whatIsWrong(error as Error & { code?: string }, args, table))
  }
}

/** @throws UsageError */
export function checkPositionals(given: readonly string[], { positionals: [least, most], usage }: CliCommand): void {
  if (given.length < least) {
    const missing = usage.split(' ').filter((word) => !word.startsWith('-'))[given.length] ?? 'something'
    throw new UsageError(`${missing.replace(/[[\].]/g, '')} is missing`)
  }
  if (given.length > most) throw new UsageError(`${quoted(given[most] as string)} is one argument too many`)
}

function whatIsWrong(error: Error & { code?: string }, args: readonly string[], table: OptionTable): string {
  if (error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const name = /'(-[^']*)'/.exec(error.message)?.[1] ?? '(an option)'
    if (/^--(password|secret)/.test(name)) return 'a secret does not belong on the command line: ZMQ_RPC_PASSWORD, or --password-file FILE'
    const meant = nearestName(name.replace(/^-+/, ''), Object.keys(table))
    return `there is no option ${name.replace(/=.*/s, '')}${meant === undefined ? '' : `; did you mean --${meant}?`}`
  }
  if (error.code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') {
    const name = /--([\w-]+)/.exec(error.message)?.[1] ?? ''
    const spec = table[name]
    if (spec?.type === 'boolean') return `--${name} takes no value`
    const next = args[args.indexOf(`--${name}`) + 1]
    const hint = next?.startsWith('-') ? `; a value that begins with "-" is written --${name}=${next}` : ''
    return `--${name} needs a value${spec?.value === undefined ? '' : ` (${spec.value})`}${hint}`
  }
  return error.message
}

/** As it is shown in a text. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}
