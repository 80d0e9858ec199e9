/** An error that ended a command, in words: what happened, and what to do about it. */

import { RemoteError, SocketError, ZmqRpcError } from '../index.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { printable, writeJson } from './json.ts'
import { UsageError } from './usage-error.ts'

/** The text of an error without its code in front; of others what there is. */
export function wordsOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(wordsOf).join('; ')
  const text = error instanceof Error ? error.message || error.name : String(error)
  return printable(text.replace(/^\[[A-Z_]+\] /, ''))
}

/** What to do about it; undefined where the text says all. `name`: of the command that failed. */
export function adviceOn(error: unknown, name: string): string | undefined {
  if (error instanceof UsageError) return howToUse(name)
  if (error instanceof SocketError && CANNOT_BIND.has(error.code)) return howToBind(error, name)
  // An endpoint that is none, where it is the socket that says so.
  if (exitCodeOf(error) === EXIT.usage && !(error instanceof ZmqRpcError)) return howToUse(name)
  if (!(error instanceof ZmqRpcError)) return undefined
  const { code, endpoint = 'ENDPOINT' } = error
  switch (code) {
    case 'NOT_CONNECTED':
      if (name === 'publish')
        return `a listener connects to this endpoint: zmq-rpc snoop ${endpoint.replace('0.0.0.0', 'localhost')} is one`
      return name === 'doctor' ? undefined : `zmq-rpc doctor ${endpoint} looks for the reason`
    case 'AUTH_REFUSED':
      return error.message.includes('without credentials')
        ? 'a name and a password are given by ZMQ_RPC_USERNAME and ZMQ_RPC_PASSWORD, keys by --server-key and --key: see zmq-rpc help secrets'
        : 'is the name right, and the password or the key? Who is let in, the other side decides'
    case 'NO_SERVICE':
      return name === 'ls' ? undefined : `zmq-rpc ls ${endpoint} shows what is served there; names count with upper and lower case`
    case 'BAD_OPTION':
      return howToUse(name)
    case 'TIMED_OUT':
      return name === 'ls'
        ? `zmq-rpc doctor ${endpoint} looks for the reason; --timeout gives it more time`
        : '--timeout gives it more time'
    case 'BAD_COMMAND':
      if (!(error instanceof RemoteError)) return undefined
      if (name === 'send')
        return `this serves commands, and no plain texts: zmq-rpc ls ${endpoint} shows which. Texts are taken by a Receiver (zmq-rpc receive)`
      return error.statusText.startsWith('Incorrectly marshalled')
        ? 'a pyzmqrpc3 server says so of a command that it does not know, too: are its name and the names of its fields right? And is the parameter of its set_command_state called state?'
        : `zmq-rpc ls ${endpoint} ${error.command ?? ''} shows what it takes`
    case 'NO_BUFFER':
      return 'zmq-rpc call has it carried out now; zmq-rpc proxy --buffer is a proxy that keeps commands'
    case 'NOT_YET_EXECUTED':
      return `it is carried out as soon as that is possible; nothing has to be sent again${name === 'result' ? '' : toAskAgain(error)}`
    case 'STORE_LOCKED':
      return 'a program that runs has this buffer: stop it first. zmq-rpc queue ls and peek look into it meanwhile'
    default:
      return undefined
  }
}

const CANNOT_BIND: ReadonlySet<string> = new Set(['EADDRINUSE', 'EADDRNOTAVAIL', 'ENODEV'])

/** Who connects to what a command binds. */
const COME: Readonly<Record<string, string>> = { publish: 'listeners', receive: 'senders' }

/** Where others connect to, this machine has to have. */
function howToBind({ code, address = '' }: SocketError, name: string): string {
  const what = `${name} binds here, and ${COME[name] ?? 'clients'} connect to it`
  if (code === 'EADDRINUSE') return what
  const port = /:(\d+|\*)$/.exec(address)?.[1] ?? '30000'
  return `${what}: give it an address of this machine; :${port} is that port on all of them`
}

function howToUse(name: string): string {
  return `zmq-rpc ${name === '' ? '' : `${name} `}--help shows how it is used`
}

/** As a line for a shell. */
function toAskAgain({ receipt }: ZmqRpcError): string {
  return receipt === undefined ? '' : `\n  zmq-rpc result '${writeJson(receipt).replaceAll("'", `'\\''`)}'`
}

/** For programs. The keys stay. */
export function failureAsData(error: unknown): object {
  const exitCode = exitCodeOf(error)
  const message = wordsOf(error)
  if (error instanceof ZmqRpcError) {
    const { code, endpoint, command, started, retrySafe, receipt } = error
    const remote = error instanceof RemoteError ? { status: error.status, statusText: error.statusText, details: error.details } : {}
    return { error: { code, message, endpoint, command, started, retrySafe, receipt, ...remote, exitCode } }
  }
  const code = error instanceof UsageError ? 'USAGE' : error instanceof SocketError ? error.code : 'FAILED'
  return { error: { code, message, exitCode } }
}
