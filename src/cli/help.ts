/** The text of `--help`. */

import { type CliCommand, COMMON_OPTIONS, type OptionTable } from './command-line.ts'
import { EXIT_MEANINGS } from './exit-codes.ts'
import type { Palette } from './session.ts'

/** The commands, for the overview: name and what it does. */
export type Summaries = readonly (readonly [name: string, summary: string])[]

const WIDTH = 92

export function overview(commands: Summaries, { bold, dim }: Palette): string {
  const width = Math.max(...commands.map(([name]) => name.length))
  return [
    `${bold('zmq-rpc')}: remote procedure calls over ZeroMQ, from the command line.`,
    '',
    `${bold('Usage:')} zmq-rpc COMMAND [ARGUMENTS] [OPTIONS]`,
    '',
    ...commands.map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    bold('To begin with:'),
    '  zmq-rpc ls localhost:30000                             what is served there',
    `  zmq-rpc call localhost:30000 Greet '{"name": "Ada"}'   have a command carried out`,
    '  zmq-rpc doctor localhost:30000                         why does it not answer?',
    '',
    `zmq-rpc COMMAND --help   options and examples      zmq-rpc help secrets   passwords and keys`,
    `zmq-rpc --version        the version               zmq-rpc help codes     how it ends (exit codes)`,
    '',
    dim('ENDPOINT: tcp://host:port, ipc:///path; localhost:30000 and :30000 are short for tcp://localhost:30000.'),
  ].join('\n')
}

export function helpOf(name: string, command: CliCommand, { bold, dim }: Palette): string {
  const { summary, usage, details, examples } = command
  return [
    `${bold(`zmq-rpc ${name}`)}: ${summary}`,
    '',
    `${bold('Usage:')} zmq-rpc ${name} ${usage}${usage === '' ? '' : ' '}[OPTIONS]`,
    ...details.flatMap((paragraph) => ['', ...(paragraph.startsWith(' ') ? [paragraph] : wrapped(paragraph, WIDTH))]),
    '',
    bold('Options:'),
    ...optionLines({ ...command.options, ...COMMON_OPTIONS }),
    '',
    bold('Examples:'),
    ...examples.flatMap(([line, what]) => [`  ${line}`, `      ${dim(what)}`]),
  ].join('\n')
}

function optionLines(options: OptionTable): string[] {
  const shown = Object.entries(options).flatMap(([name, { short, value, text }]) =>
    text === undefined
      ? []
      : [[`${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`, text] as const],
  )
  const width = Math.max(...shown.map(([left]) => left.length))
  return shown.flatMap(([left, text]) => {
    const [first = '', ...others] = wrapped(text, Math.max(40, WIDTH - width - 4))
    return [`  ${left.padEnd(width)}  ${first}`, ...others.map((line) => `  ${' '.repeat(width)}  ${line}`)]
  })
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** Pages that are of no single command. */
export const TOPICS: Readonly<Record<string, (palette: Palette) => string>> = {
  codes: ({ bold }) =>
    [
      bold('How zmq-rpc ends (exit codes):'),
      '',
      ...EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`),
    ].join('\n'),
  secrets: ({ bold }) =>
    [
      bold('Passwords and keys'),
      '',
      'They never stand on the command line, where everybody on the machine could read them.',
      '',
      '  ZMQ_RPC_USERNAME     or --username NAME',
      '  ZMQ_RPC_PASSWORD     or --password-file FILE',
      '  ZMQ_RPC_SERVER_KEY   or --server-key KEY|FILE   the public key of the server: no secret',
      '  ZMQ_RPC_SECRET_KEY   or --key FILE              the secret key of this side',
      '',
      'A server asks for a password (PLAIN, in clear text on the network) or for keys (CURVE, all',
      'encrypted), and both sides must be set up for the same. zmq-rpc keygen makes keys.',
    ].join('\n'),
}
