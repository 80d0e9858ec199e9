/**
 * Why does it not answer? The way of a call, step by step: the name, the connection, who is there, which security, who we are, and whether
 * what is asked for is served. The first step that fails is told with what to do about it.
 */

import { lookup } from 'node:dns/promises'
import { isIP, type Socket } from 'node:net'
import { type Credentials, Health, ListServices, RemoteError, RpcClient, ZmqRpcError } from '../index.ts'
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts'
import { wordsOf } from './failure.ts'
import { open, probe } from './greeting-probe.ts'
import { printable } from './json.ts'
import { UsageError } from './usage-error.ts'

/** One step that was made. */
export interface Step {
  readonly step: string
  /** Undefined: it could not be told. */
  readonly ok: boolean | undefined
  readonly text: string
  readonly ms: number
  /** What to do about it. */
  readonly advice?: string
  /** How the process ends, where it failed. */
  readonly exitCode?: ExitCode
}

export interface Question {
  readonly endpoint: string
  readonly credentials: Credentials | undefined
  /** A command that is wanted. */
  readonly command: string | undefined
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

interface Found {
  readonly text: string
  readonly ok?: undefined | true | 'unknown'
  readonly advice?: string
}

/** A step that failed. */
class Fault extends Error {
  readonly advice: string
  readonly exitCode: ExitCode

  constructor(text: string, advice: string, exitCode: ExitCode) {
    super(text)
    this.advice = advice
    this.exitCode = exitCode
  }
}

/** The steps, each as soon as it is made; the last one may be a failure. @throws UsageError for an endpoint that is none. */
export async function* diagnose(question: Question): AsyncGenerator<Step, void> {
  const { endpoint, timeoutMs, signal } = question
  const place = placeOf(endpoint)
  if ('host' in place && isIP(place.host) === 0) {
    const step = await made('name', signal, () => resolveName(place.host))
    yield step
    if (step.ok === false) return
  }
  let socket: Socket | undefined
  const connected = await made('connection', signal, async () => {
    socket = await open(place, timeoutMs, signal).catch((error: NodeJS.ErrnoException) => {
      throw 'host' in place ? whyNotConnected(error, place.host, place.port) : whyNoSocketFile(error, place.path)
    })
    return { text: 'path' in place ? 'somebody listens there' : `${socket.remoteAddress} listens on port ${socket.remotePort}` }
  })
  yield connected
  if (socket === undefined) return
  const greeted = await made('protocol', signal, () => greet(socket as Socket, question))
  yield greeted
  if (greeted.ok === false) return
  yield* diagnoseCalls(question)
}

/** What only a connection that is complete can tell. */
async function* diagnoseCalls({ endpoint, credentials, command, timeoutMs, signal }: Question): AsyncGenerator<Step, void> {
  await using client = new RpcClient({ req: endpoint, credentials, timeoutMs, retry: false })
  const admitted = await made('admission', signal, () => enter(client, endpoint, credentials, timeoutMs))
  yield admitted
  if (admitted.ok === false) return
  const native = client.stats().servers[0]?.dialect === 'native'
  const answered = await made('answer', signal, () => hear(client, native, signal))
  yield answered
  if (answered.ok === false || command === undefined) return
  yield await made('service', signal, () => look(client, command, endpoint, native, signal))
}

async function made(step: string, signal: AbortSignal, work: () => Promise<Found>): Promise<Step> {
  const start = performance.now()
  const ms = (): number => Math.round((performance.now() - start) * 1000) / 1000
  try {
    const { text, ok, advice } = await orAborted(work(), signal)
    return { step, ok: ok === 'unknown' ? undefined : true, text, ms: ms(), ...(advice !== undefined && { advice }) }
  } catch (error) {
    if (error instanceof UsageError) throw error
    const { advice, exitCode } = error instanceof Fault ? error : { advice: '', exitCode: exitCodeOf(error) }
    return { step, ok: false, text: wordsOf(error), ms: ms(), advice, exitCode }
  }
}

/** Not all that is waited for can be given up. @throws the signal's reason */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = (): void => reject(signal.reason)
    if (signal.aborted) give()
    signal.addEventListener('abort', give, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', give))
  })
}

// ── The steps ───────────────────────────────────────────────────────────────────────────────────────────────────────────

type Place = { readonly host: string; readonly port: number } | { readonly path: string }

function placeOf(endpoint: string): Place {
  const [, host, port] = /^tcp:\/\/(\[[^\]]+\]|[^:/*\s]+):(\d{1,5})$/.exec(endpoint) ?? []
  if (host !== undefined && Number(port) > 0 && Number(port) < 65_536) return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
  const path = /^ipc:\/\/(.+)$/s.exec(endpoint)?.[1]
  // A name of Linux's abstract namespace.
  if (path !== undefined) return { path: path.startsWith('@') ? `\0${path.slice(1)}` : path }
  throw new UsageError(`${JSON.stringify(endpoint)} is no endpoint that can be looked at: tcp://HOST:PORT, or ipc://PATH`)
}

async function resolveName(host: string): Promise<Found> {
  try {
    const addresses = await lookup(host, { all: true })
    return { text: `${host} is ${addresses.map(({ address }) => address).join(', ')}` }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EAI_AGAIN') {
      throw new Fault(
        `the name ${host} could not be looked up: the name server does not answer`,
        'Is this machine in the network? An address in numbers, as tcp://192.168.1.7:30000, needs no name server.',
        EXIT.notConnected,
      )
    }
    throw new Fault(
      `there is no host ${host} (${code})`,
      'Is it spelled right? Names of the local network may need their whole name, as lab.local. An address in numbers always works.',
      EXIT.notConnected,
    )
  }
}

function whyNotConnected({ code, message }: NodeJS.ErrnoException, host: string, port: number): Error {
  switch (code) {
    case 'ECONNREFUSED':
      return new Fault(
        `${host} is there, but nobody listens on port ${port}`,
        `Does the server run, and on this port? One that is bound to tcp://127.0.0.1:${port} is heard on its own machine only: tcp://*:${port} is for all.`,
        EXIT.notConnected,
      )
    case 'ETIMEDOUT':
      return new Fault(
        `${host} does not answer on port ${port}`,
        `Is the host on, and is this its address? A firewall may hold port ${port} back: allow it, in a container publish it (-p ${port}:${port}).`,
        EXIT.notConnected,
      )
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return new Fault(
        `there is no way to ${host} from here (${code})`,
        'Are both in the same network, or is there a route?',
        EXIT.notConnected,
      )
    default:
      return new Fault(`${host}:${port}: ${message}`, 'This comes from the operating system.', EXIT.notConnected)
  }
}

function whyNoSocketFile({ code, message }: NodeJS.ErrnoException, path: string): Error {
  const shown = path.replace(/^\0/, '@')
  if (code === 'ENOENT')
    return new Fault(
      `there is no ${shown}`,
      'Does the server run, and is it the same path there? In a container it is another one.',
      EXIT.notConnected,
    )
  if (code === 'ECONNREFUSED')
    return new Fault(
      `${shown} is there, but nobody listens on it`,
      'The server has ended. Start it again; it takes the path over.',
      EXIT.notConnected,
    )
  if (code === 'EACCES')
    return new Fault(
      `${shown} may not be opened`,
      'Its user and mode do not let you in: chmod, or run as the same user.',
      EXIT.notConnected,
    )
  return new Fault(`${shown}: ${message}`, 'This comes from the operating system.', EXIT.notConnected)
}

/** What somebody has to give who is asked by this mechanism. */
const ASKS: Readonly<Record<string, string>> = { NULL: 'nothing', PLAIN: 'a name and a password', CURVE: 'keys' }

async function greet(socket: Socket, { credentials, timeoutMs }: Question): Promise<Found> {
  const probed = await probe(socket, Math.min(timeoutMs, 3000))
  if (probed.kind !== 'zeromq') throw whyNoPeer(probed)
  const { version, mechanism } = probed
  const ours = credentials === undefined ? 'NULL' : credentials.curve === undefined ? 'PLAIN' : 'CURVE'
  const what = `ZeroMQ (ZMTP ${version}); asks for ${ASKS[mechanism] ?? `something unknown (${mechanism})`}`
  if (mechanism === ours) return { text: what }
  const give: Readonly<Record<string, string>> = {
    NULL: 'Leave them out: this server asks nobody who he is.',
    PLAIN: 'Give them: ZMQ_RPC_USERNAME and ZMQ_RPC_PASSWORD, or --username and --password-file.',
    CURVE: "Give them: --server-key, the server's public key, and --key, the file of your own secret one.",
  }
  throw new Fault(
    `${what}, and was to be given ${ASKS[ours]}`,
    give[mechanism] ?? 'This program does not know that mechanism.',
    EXIT.refused,
  )
}

function whyNoPeer(probed: Exclude<Awaited<ReturnType<typeof probe>>, { kind: 'zeromq' }>): Fault {
  switch (probed.kind) {
    case 'stranger':
      return new Fault(
        `this is ${probed.guess}: it begins with "${printable(probed.beginning)}"`,
        'Is it the right port?',
        EXIT.notConnected,
      )
    case 'old':
      return new Fault('its ZeroMQ is too old: from before version 4', 'Bring libzmq there up to 4.0 or newer.', EXIT.notConnected)
    case 'silent':
      return new Fault(
        'somebody listens, but says nothing',
        'Either this is no ZeroMQ peer (is it the right port?), or the program hangs: its computer has taken the connection, and it has not.',
        EXIT.notConnected,
      )
    case 'closed':
      return new Fault(
        'it hangs up at once',
        'Perhaps it has as many clients as it may have (maxConnections), or this is no ZeroMQ peer, or a forwarded port with nobody behind.',
        EXIT.notConnected,
      )
  }
}

async function enter(client: RpcClient, endpoint: string, credentials: Credentials | undefined, timeoutMs: number): Promise<Found> {
  try {
    await client.ready({ timeoutMs })
  } catch (error) {
    if (!(error instanceof ZmqRpcError)) throw error
    if (error.code === 'AUTH_REFUSED') throw whyRefused(error, credentials)
    const text = wordsOf(error)
    const publisher = /\bX?PUB\b/.test(text)
    const advice = publisher
      ? `This is a publisher: it answers nobody. zmq-rpc snoop ${endpoint} listens to it.`
      : 'It is there, but this is no server for calls: commands go to REP and ROUTER sockets.'
    throw new Fault(text, advice, EXIT.notConnected)
  }
  const who = credentials === undefined ? '' : credentials.curve === undefined ? ` as "${credentials.username}"` : ' with this key'
  return { text: `it lets you in${who}` }
}

function whyRefused(error: ZmqRpcError, credentials: Credentials | undefined): Fault {
  const advice =
    credentials?.curve === undefined
      ? 'Is the name right, and the password? Both count with upper and lower case. The server decides: look at its option auth.'
      : "Is --server-key the public key of this very server, and is your own public key among those that it lets in ('allow')?"
  return new Fault(wordsOf(error), advice, EXIT.refused)
}

async function hear(client: RpcClient, native: boolean, signal: AbortSignal): Promise<Found> {
  const dialect = native ? 'the native dialect' : 'the dialect of pyzmqrpc3'
  try {
    const { version, status, running, waiting } = await client.execute(new Health(), { signal })
    const busy = running + waiting > 1 ? `; ${running} calls under way, ${waiting} waiting` : ''
    return { text: `zmq-rpc ${printable(version)} in ${dialect}, ${status}${busy}` }
  } catch (error) {
    if (error instanceof RemoteError && error.code === 'PROXY_FAILED') {
      const advice = 'Ask doctor about the endpoint that the proxy passes on to (its req).'
      throw new Fault(`this is a proxy; it answers, but what it passes on to does not: ${wordsOf(error)}`, advice, exitCodeOf(error))
    }
    if (error instanceof RemoteError)
      return { text: native ? `it answers in ${dialect}, but does not tell you how it is` : `it answers in ${dialect}` }
    if (!(error instanceof ZmqRpcError) || error.code !== 'TIMED_OUT') throw error
    const advice = native
      ? 'The program there hangs, or has more to do than it can. Or it is a proxy, and what it passes on to does not answer: ask doctor about that one.'
      : 'A pyzmqrpc3 server carries out one call after the other: a long one may be under way. Or it is stuck, by a heartbeat or a result that it could not write: start it again.'
    throw new Fault('it takes the call, and does not answer', advice, EXIT.timedOut)
  }
}

async function look(client: RpcClient, command: string, endpoint: string, native: boolean, signal: AbortSignal): Promise<Found> {
  const shown = printable(command)
  try {
    const { services } = await client.execute(new ListServices(command), { signal })
    if (services.length > 0) return { text: `${shown} is served` }
    const others = (await client.execute(new ListServices(), { signal })).services.map(({ name }) => printable(name))
    const alike = others.find((name) => name.toLowerCase() === command.toLowerCase())
    const advice =
      alike === undefined
        ? `There is ${others.length === 0 ? 'nothing that you may call' : others.slice(0, 20).join(', ')}. Is its service registered, and may you call it?`
        : `There is ${alike}: names count with upper and lower case.`
    throw new Fault(`${shown} is not served here, or not to you`, advice, EXIT.remoteError)
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error
    const why = native ? 'this server does not tell you what it serves' : 'a pyzmqrpc3 server cannot tell what it serves'
    return {
      ok: 'unknown',
      text: `whether ${shown} is served cannot be told: ${why}`,
      advice: `zmq-rpc call ${endpoint} ${shown} carries it out, and so tells.`,
    }
  }
}
