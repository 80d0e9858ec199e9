/** `zmq-rpc proxy`: joins two networks. Takes all options of pyzmqrpc3's misc/zmqproxy.py. */

import { type Auth, type Credentials, RpcProxy } from '../../index.ts'
import { defineCommand, type OptionTable, type OptionValues } from '../command-line.ts'
import { keyAuthOf, keyCredentialsOf, readSecretFile } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { startLog, VERBOSE_OPTION } from '../log.ts'
import type { Session } from '../session.ts'
import { untilStopped } from '../until-stopped.ts'
import { UsageError } from '../usage-error.ts'
import { readDuration, readEndpoint, readOwnEndpoint } from '../values.ts'

/** A name and a password of one side, by every way to give them. */
const passwordOptions = <Side extends 'incoming' | 'outgoing'>(side: Side, who: string) =>
  ({
    [`username_${side}`]: { type: 'string', value: 'NAME', text: `${who}; or ZMQ_RPC_USERNAME_${side.toUpperCase()}` },
    [`password_file_${side}`]: { type: 'string', value: 'FILE', text: `its password; or ZMQ_RPC_PASSWORD_${side.toUpperCase()}` },
    [`password_${side}`]: { type: 'string', value: 'TEXT', text: 'as zmqproxy.py has it; others on this machine can read it' },
  }) as {
    readonly [Name in `${'username' | 'password_file' | 'password'}_${Side}`]: {
      readonly type: 'string'
      readonly value: string
      readonly text: string
    }
  }

const OPTIONS = {
  rep: { type: 'string', value: 'ENDPOINT', text: 'takes calls here: binds' },
  sub: { type: 'string', multiple: true, value: 'ENDPOINT...', text: 'takes what these publish: connects' },
  req: { type: 'string', multiple: true, value: 'ENDPOINT...', text: 'passes on to these servers, each in turn: connects' },
  pub: { type: 'string', value: 'ENDPOINT', text: 'publishes it here: binds' },
  buffer: {
    type: 'string',
    value: 'DIR',
    text: 'keeps commands in this folder until --req has carried them out, whatever happens meanwhile',
  },
  timeout: { type: 'string', short: 't', value: 'TIME', text: 'for the answer of the far end (60s)' },
  ...passwordOptions('incoming', 'asks those who send to the proxy for this name'),
  key_incoming: {
    type: 'string',
    value: 'FILE',
    text: 'has the secret key for those who send to the proxy, for encryption; or ZMQ_RPC_SECRET_KEY_INCOMING',
  },
  allow_incoming: {
    type: 'string',
    multiple: true,
    value: 'NAME=KEY|FILE',
    text: 'lets in this public key only; may be given several times',
  },
  ...passwordOptions('outgoing', 'is shown where the proxy sends to'),
  server_key_outgoing: {
    type: 'string',
    value: 'KEY|FILE',
    text: 'the public key of those that the proxy sends to, for encryption; or ZMQ_RPC_SERVER_KEY_OUTGOING',
  },
  key_outgoing: { type: 'string', value: 'FILE', text: 'has the secret key that it has there; or ZMQ_RPC_SECRET_KEY_OUTGOING' },
  ...VERBOSE_OPTION,
} as const satisfies OptionTable

export const proxy = defineCommand({
  summary: 'join two networks: pass calls and messages on',
  usage: '--rep|--sub ENDPOINT --req|--pub ENDPOINT',
  positionals: [0, 0],
  options: OPTIONS,
  details: [
    'Takes messages on one side, and passes them on to the other: one of --rep and --sub, and one of --req and --pub. Every option of zmqproxy.py of pyzmqrpc3 works as there; those for keys are its own.',
  ],
  examples: [
    ['zmq-rpc proxy --rep :30000 --req lab:30000', 'calls, with their results and errors'],
    ['zmq-rpc proxy --rep :30000 --req lab:30000 --buffer /var/lib/zmq-rpc', 'calls that outlive an outage, and a restart of either'],
    ['zmq-rpc proxy --sub lab-1:30001 lab-2:30001 --pub :30001', 'what two publish, from one place'],
  ],
  prepare: spread,
  async run({ options }, session) {
    const { rep, sub, req, pub } = options
    if (rep !== undefined && sub !== undefined) throw new UsageError('a proxy takes from one side: --rep or --sub, not both')
    if (req !== undefined && pub !== undefined) throw new UsageError('a proxy passes on to one side: --req or --pub, not both')
    if (rep === undefined && sub === undefined) throw new UsageError('where does it take messages from? --rep or --sub is missing')
    if (options.buffer !== undefined && req === undefined)
      throw new UsageError('--buffer keeps what --req has to carry out: it needs --req')
    if (req === undefined && pub === undefined) throw new UsageError('where does it pass them on to? --req or --pub is missing')
    const [auth, credentials] = [authOf(options, session), credentialsOf(options, session)]
    using _log = startLog(session, options.verbose)
    await using joined = new RpcProxy({
      ...(rep !== undefined && { rep: readOwnEndpoint(rep) }),
      sub: sub?.map(readEndpoint),
      req: req?.map(readEndpoint),
      ...(pub !== undefined && { pub: readOwnEndpoint(pub) }),
      auth,
      credentials,
      ...(options.buffer !== undefined && { buffer: { path: options.buffer } }),
      timeoutMs: readDuration('timeout', options.timeout),
    })
    await joined.start()
    const from = rep === undefined ? (sub ?? []).map(readEndpoint) : joined.endpoints
    const to = pub === undefined ? (req ?? []).map(readEndpoint) : [joined.publishEndpoint]
    if (session.json) await session.data({ from, to, buffer: options.buffer })
    else
      await session.line(
        `passing on from ${from.join(', ')} to ${to.join(', ')}${options.buffer === undefined ? '' : `, by way of ${options.buffer}`}`,
      )
    await untilStopped(session.signal, joined.stopped)
    return EXIT.done
  },
})

/** `--sub a b --pub c`, as Python's argparse reads it: an option may have several values behind it. */
function spread(args: readonly string[]): string[] {
  const spreadArgs: string[] = []
  let option: string | undefined
  for (const [index, arg] of args.entries()) {
    if (arg.startsWith('-')) option = arg === '--sub' || arg === '--req' ? arg : undefined
    else if (option !== undefined && args[index - 1] !== option) spreadArgs.push(option)
    spreadArgs.push(arg)
  }
  return spreadArgs
}

/** Who may send to it. @throws UsageError */
function authOf(options: OptionValues<typeof OPTIONS>, session: Session): Auth | undefined {
  const keys = keyAuthOf({ key: options.key_incoming, allow: options.allow_incoming }, session, '_incoming')
  if (keys !== undefined) return eitherOf(keys, 'incoming', 'key', options)
  const user = userOf('incoming', options, session)
  return user && { users: { [user.username]: user.password } }
}

/** Who it is where it sends to. @throws UsageError */
function credentialsOf(options: OptionValues<typeof OPTIONS>, session: Session): Credentials | undefined {
  const keys = keyCredentialsOf({ key: options.key_outgoing, serverKey: options.server_key_outgoing }, session, '_outgoing')
  return keys === undefined ? userOf('outgoing', options, session) : eitherOf(keys, 'outgoing', 'server_key', options)
}

function eitherOf<T>(keys: T, side: 'incoming' | 'outgoing', option: string, options: OptionValues<typeof OPTIONS>): T {
  if (options[`username_${side}`] === undefined) return keys
  throw new UsageError(`--username_${side} and --${option}_${side} do not go together: one of the two is asked for`)
}

function userOf(
  side: 'incoming' | 'outgoing',
  options: OptionValues<typeof OPTIONS>,
  session: Session,
): { username: string; password: string } | undefined {
  const [upper, { env }] = [side.toUpperCase(), session]
  const username = options[`username_${side}`] ?? env[`ZMQ_RPC_USERNAME_${upper}`]
  const given = options[`password_${side}`]
  const file = options[`password_file_${side}`]
  if (given !== undefined)
    session.warn(`--password_${side} can be read by others on this machine: ZMQ_RPC_PASSWORD_${upper}, or --password_file_${side} FILE`)
  const password = given ?? (file === undefined ? env[`ZMQ_RPC_PASSWORD_${upper}`] : readSecretFile(`password_file_${side}`, file, session))
  if (username !== undefined && password !== undefined) return { username, password }
  if (username === undefined && password === undefined) return undefined
  throw new UsageError(
    `a name and a password go together: --username_${side}, and ${username === undefined ? '' : 'the password for it: '}ZMQ_RPC_PASSWORD_${upper}`,
  )
}
