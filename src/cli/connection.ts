/**
 * Options of commands that connect to somebody, and of those that somebody connects to: endpoints, passwords, keys.
 *
 * Secrets come from the environment or from a file. Never from an argument, which everybody on the machine can read, and which stays in the
 * shell's history.
 */

import { readFileSync, statSync } from 'node:fs'
import { type Auth, type Credentials, logEvents, RpcClient, type RpcClientOptions } from '../index.ts'
import type { OptionTable, OptionValues } from './command-line.ts'
import type { Session } from './session.ts'
import { UsageError } from './usage-error.ts'
import { readDuration } from './values.ts'

/** Who we are: shown to those who ask. */
export const CREDENTIAL_OPTIONS = {
  username: { type: 'string', short: 'u', value: 'NAME', text: 'who you are; or ZMQ_RPC_USERNAME' },
  'password-file': { type: 'string', value: 'FILE', text: 'has the password; or ZMQ_RPC_PASSWORD' },
  'server-key': { type: 'string', value: 'KEY|FILE', text: "the server's public key, for encryption; or ZMQ_RPC_SERVER_KEY" },
  key: { type: 'string', value: 'FILE', text: 'has your own secret key; or ZMQ_RPC_SECRET_KEY' },
} as const satisfies OptionTable

/** `usual`: where it is not given. */
export function timeoutOption(usual: string) {
  return { type: 'string', short: 't', value: 'TIME', text: `for an answer: 500ms, 5s, 2m, or seconds (${usual})` } as const
}

/** For commands that connect to a server. */
export const CLIENT_OPTIONS = {
  timeout: timeoutOption('60s'),
  'connect-timeout': { type: 'string', value: 'TIME', text: 'for a connection (5s, or what --timeout says, where that is less)' },
  ...CREDENTIAL_OPTIONS,
} as const satisfies OptionTable

/** For commands that others connect to. */
export const AUTH_OPTIONS = {
  username: { type: 'string', short: 'u', value: 'NAME', text: 'asks those who come for this name; or ZMQ_RPC_USERNAME' },
  'password-file': { type: 'string', value: 'FILE', text: 'has the password that goes with it; or ZMQ_RPC_PASSWORD' },
  key: { type: 'string', value: 'FILE', text: 'has the secret key of this side, for encryption; or ZMQ_RPC_SECRET_KEY' },
  allow: { type: 'string', multiple: true, value: 'NAME=KEY|FILE', text: 'lets in this public key only; may be given several times' },
} as const satisfies OptionTable

const CONNECT_MS = 5000
const ANSWER_MS = 60_000

/** For the answer of a server that is asked about itself: it has that at hand, or is in trouble. */
export const ASK_MS = 5000

/** Where a program has two sides, as a proxy has, its options and variables end so. */
export type Side = '' | '_incoming' | '_outgoing'

/** @throws UsageError */
export function credentialsOf(options: OptionValues<typeof CREDENTIAL_OPTIONS>, session: Session): Credentials | undefined {
  const { username = session.env['ZMQ_RPC_USERNAME'] } = options
  const keys = keyCredentialsOf({ key: options.key, serverKey: options['server-key'] }, session)
  if (keys === undefined)
    return username === undefined ? withoutName(options, session) : { username, password: passwordOf(options, session) }
  if (options.username === undefined) return keys
  throw new UsageError('a username and --server-key do not go together: a server asks for one of the two')
}

/** @throws UsageError */
export function authOf(options: OptionValues<typeof AUTH_OPTIONS>, session: Session): Auth | undefined {
  const { username = session.env['ZMQ_RPC_USERNAME'] } = options
  const keys = keyAuthOf(options, session)
  if (keys === undefined)
    return username === undefined ? withoutName(options, session) : { users: { [username]: passwordOf(options, session) } }
  if (options.username === undefined) return keys
  throw new UsageError('a username and --key do not go together: those who come are asked for one of the two')
}

/** Undefined without keys. @throws UsageError */
export function keyCredentialsOf(
  given: { readonly key: string | undefined; readonly serverKey: string | undefined },
  session: Session,
  side: Side = '',
): Credentials | undefined {
  const [key, server] = [optionName('key', side), optionName('server-key', side)]
  const serverKey = given.serverKey ?? session.env[`ZMQ_RPC_SERVER_KEY${side.toUpperCase()}`]
  const secretKey = secretKeyOf(given.key, session, side)
  if (serverKey !== undefined) return { curve: { serverKey: readKey(server, serverKey, 'public', session), secretKey } }
  if (given.key === undefined) return undefined
  throw new UsageError(`--${key} needs the public key of the server as well: --${server}`)
}

/** Undefined without keys. @throws UsageError */
export function keyAuthOf(
  given: { readonly key?: string | undefined; readonly allow?: readonly string[] | undefined },
  session: Session,
  side: Side = '',
): Auth | undefined {
  const [key, allowed] = [optionName('key', side), optionName('allow', side)]
  const secretKey = secretKeyOf(given.key, session, side)
  if (secretKey === undefined) {
    if (given.allow === undefined) return undefined
    throw new UsageError(`--${allowed} is about keys: it needs the secret key of this side as well, --${key}`)
  }
  const allow = given.allow?.map((entry): [string, string] => {
    const at = entry.indexOf('=')
    if (at < 1) throw new UsageError(`--${allowed} is NAME=KEY, or NAME=FILE`)
    return [entry.slice(0, at), readKey(allowed, entry.slice(at + 1), 'public', session)]
  })
  return { curve: { secretKey, ...(allow !== undefined && { allow: Object.fromEntries(allow) }) } }
}

function secretKeyOf(file: string | undefined, session: Session, side: Side): string | undefined {
  if (file === undefined) return session.env[`ZMQ_RPC_SECRET_KEY${side.toUpperCase()}`]
  return readKey(optionName('key', side), file, 'secret', session)
}

/** As zmqproxy.py writes it, where there are sides. */
function optionName(name: string, side: Side): string {
  return side === '' ? name : `${name.replaceAll('-', '_')}${side}`
}

/** For a connection: no longer than for an answer, unless it is said. @throws UsageError */
export function connectMsOf(options: ClientValues): number {
  const timeoutMs = readDuration('timeout', options.timeout) ?? CONNECT_MS
  return readDuration('connect-timeout', options['connect-timeout']) ?? Math.min(CONNECT_MS, timeoutMs)
}

/** A password alone says nothing. @throws UsageError */
function withoutName(options: { readonly 'password-file'?: string | undefined }, { env }: Session): undefined {
  if (options['password-file'] === undefined && env['ZMQ_RPC_PASSWORD'] === undefined) return undefined
  throw new UsageError('there is a password, but no name: --username, or ZMQ_RPC_USERNAME')
}

function passwordOf(options: { readonly 'password-file'?: string | undefined }, session: Session): string {
  const file = options['password-file']
  if (file !== undefined) return readSecretFile('password-file', file, session)
  const password = session.env['ZMQ_RPC_PASSWORD']
  if (password === undefined) throw new UsageError('there is a name, but no password: --password-file, or ZMQ_RPC_PASSWORD')
  return password
}

/** @throws UsageError; of what stands in the file it says nothing. */
export function readSecretFile(option: string, file: string, session: Session): string {
  try {
    if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0 && statSync(file).isFile()) {
      session.warn(`others on this machine can read ${file}: chmod 600 ${file}`)
    }
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw new UsageError(`--${option}: ${(error as Error).message}`)
  }
}

/** 40 characters of Z85, no white space among them. */
const KEY = /^[\w.:+=^!/*?&<>()[\]{}@%$#-]{40}$/

/**
 * A key as it is, or from a file: of `keygen`, of pyzmq's or czmq's certificates, or with nothing else in it. A secret key is only ever
 * read from a file.
 */
function readKey(option: string, given: string, half: 'public' | 'secret', session: Session): string {
  if (half === 'public' && KEY.test(given)) return given
  if (half === 'secret' && KEY.test(given)) {
    throw new UsageError(`--${option} is the name of a file; a secret key does not belong on the command line`)
  }
  const text = half === 'secret' ? readSecretFile(option, given, session) : readPublicFile(option, given)
  const key = new RegExp(`${half}-key\\s*=\\s*"([^"]{40})"`).exec(text)?.[1] ?? text.trim()
  if (KEY.test(key)) return key
  throw new UsageError(`--${option}: there is no ${half} key in ${given}; zmq-rpc keygen makes one`)
}

function readPublicFile(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`--${option} is neither a key (40 characters) nor a file that can be read: ${(error as Error).message}`)
  }
}

type ClientValues = OptionValues<typeof CLIENT_OPTIONS>

/** Connects, and has it closed at the end, or by Ctrl-C. @throws ZmqRpcError NOT_CONNECTED, AUTH_REFUSED, and what `use` throws. */
export async function withClient<R>(
  endpoint: string,
  options: ClientValues,
  session: Session,
  use: (client: RpcClient) => Promise<R>,
  { timeoutMs: usualMs = ANSWER_MS, ...more }: Partial<RpcClientOptions> = {},
): Promise<R> {
  const timeoutMs = readDuration('timeout', options.timeout) ?? usualMs
  const connectMs = connectMsOf(options)
  const client = new RpcClient({ req: endpoint, credentials: credentialsOf(options, session), timeoutMs, ...more })
  const close = (): void => void client.close()
  session.signal.addEventListener('abort', close)
  try {
    await connected(client, connectMs, session)
    return await use(client)
  } finally {
    session.signal.removeEventListener('abort', close)
    await client.close()
  }
}

/** Whoever has to wait is told for what. */
async function connected(client: RpcClient, connectMs: number, session: Session): Promise<void> {
  const told = logEvents(
    {
      debug: () => {},
      info: () => {},
      warn: (fields) => session.progress(`not connected yet: ${whyNot(fields)} (Ctrl-C gives up)`),
      error: () => {},
    },
    { events: ['zmq-rpc:connect:failed'] },
  )
  try {
    await client.ready({ timeoutMs: connectMs })
  } finally {
    told()
    session.progress('')
  }
}

function whyNot(fields: object): string {
  const { endpoint, error } = fields as { endpoint: string; error?: { text: string } }
  return error?.text ?? endpoint
}
