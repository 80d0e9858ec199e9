/** What the tests of the wire share: bytes as the specification writes them, and connections that keep a log. */

import { createHash } from 'node:crypto'
import type { ProtocolError } from '../../../src/errors.ts'
import { Connection, type ConnectionHandler, type ConnectionLimits, type HeartbeatOptions } from '../../../src/wire/connection.ts'
import type { Message } from '../../../src/wire/frame.ts'
import type { PeerInfo } from '../../../src/wire/index.ts'
import type { AuthAnswer, AuthRequest, Mechanism, MechanismFactory } from '../../../src/wire/mechanism/mechanism.ts'
import { NullMechanism } from '../../../src/wire/mechanism/null.ts'
import { PlainClient, PlainServer } from '../../../src/wire/mechanism/plain.ts'
import { encodeMetadata, socketProperties } from '../../../src/wire/metadata.ts'
import type { SocketType } from '../../../src/wire/socket-type.ts'

/**
 * Bytes as the specification writes them: hex digits, text in double quotes, `00*63` for a byte repeated, spaces where
 * they help; buffers go in as they are.
 */
export function bytes(...parts: (string | Buffer)[]): Buffer {
  const pieces: Buffer[] = []
  for (const part of parts) {
    if (typeof part !== 'string') {
      pieces.push(part)
      continue
    }
    for (const [token, text, repeated, times, digits] of part.matchAll(/"([^"]*)"|([0-9a-f]{2})\*(\d+)|((?:[0-9a-f]{2})+)|\S/gi)) {
      if (text !== undefined) pieces.push(Buffer.from(text, 'latin1'))
      else if (repeated !== undefined) pieces.push(Buffer.alloc(Number(times), Number.parseInt(repeated, 16)))
      else if (digits !== undefined) pieces.push(Buffer.from(digits, 'hex'))
      else throw new Error(`not bytes: ${token}`)
    }
  }
  return Buffer.concat(pieces)
}

/** A frame, written the slow and obvious way. `flags` without LONG. */
export function naiveFrame(flags: number, body: Buffer): Buffer {
  if (body.length < 256) return Buffer.concat([Buffer.from([flags, body.length]), body])
  const size = Buffer.alloc(8)
  size.writeBigUInt64BE(BigInt(body.length))
  return Buffer.concat([Buffer.from([flags + 2]), size, body])
}

export function naiveMessage(message: Message): Buffer {
  return Buffer.concat(message.map((body, index) => naiveFrame(index < message.length - 1 ? 1 : 0, body)))
}

/** A command frame around what {@link bytes} reads. */
export function command(...parts: (string | Buffer)[]): Buffer {
  return naiveFrame(4, bytes(...parts))
}

export function greeting(mechanism: 'NULL' | 'PLAIN' | 'CURVE', minor = 1, asServer = 0): Buffer {
  const name = Buffer.from(mechanism.padEnd(20, '\0'))
  return bytes('FF 00*8 7F 03', Buffer.from([minor]), name, Buffer.from([asServer]), '00*31')
}

const size4 = (length: number): Buffer => bytes(length.toString(16).padStart(8, '0'))

/** The metadata of a peer that has a type and perhaps a routing id. */
export function typed(type: string, routingId?: Buffer | string): Buffer {
  const id = routingId === undefined ? undefined : Buffer.from(routingId)
  const first = bytes('0B"Socket-Type"', size4(type.length), `"${type}"`)
  return id === undefined ? first : bytes(first, '08"Identity"', size4(id.length), id)
}

export function ready(type: string, routingId?: Buffer | string): Buffer {
  return command('05"READY"', typed(type, routingId))
}

/** Short bodies in hex, long ones by length and hash. */
export function show(body: Buffer): string {
  if (body.length <= 32) return body.toString('hex')
  return `${body.length} bytes ${createHash('sha1').update(body).digest('hex').slice(0, 8)}`
}

const NO_LIMITS: ConnectionLimits = {
  maxFrameBytes: 256 * 1024 * 1024,
  maxMessageBytes: 256 * 1024 * 1024,
  maxMessageFrames: 4096,
  maxCommandBytes: 64 * 1024,
  maxHandshakeBytes: 64 * 1024,
}

export interface RecorderOptions {
  type?: SocketType
  routingId?: string
  /** A username and password make a PLAIN client, `server` a PLAIN server; NULL without. */
  plain?: 'server' | readonly [username: string, password: string]
  /** Takes the place of `plain`. */
  mechanism?: MechanismFactory
  limits?: Partial<ConnectionLimits>
  heartbeat?: Partial<HeartbeatOptions>
  handshakeTimeoutMs?: number
  stagedGreeting?: boolean
  numbered?: boolean
  /** What the application answers at once; without it the question stays open. */
  answer?: (request: AuthRequest) => AuthAnswer
}

/** A started connection that writes down what it is told. */
export class Recorder implements ConnectionHandler {
  readonly connection: Connection
  /** One line for each event. */
  readonly log: string[] = []
  readonly messages: Message[] = []
  readonly #answer: RecorderOptions['answer']
  reason: ProtocolError | undefined
  info: PeerInfo | undefined
  now = 0
  /** Called with each event, after it was written down. */
  onEvent: (line: string) => void = () => {}

  constructor(options: RecorderOptions = {}) {
    const { type = 'DEALER', routingId = '', plain, limits, heartbeat, handshakeTimeoutMs = 0, stagedGreeting = false, answer } = options
    this.#answer = answer
    const metadata = encodeMetadata(socketProperties(type, Buffer.from(routingId), []))
    let mechanism: Mechanism
    if (options.mechanism !== undefined) mechanism = options.mechanism(metadata)
    else if (plain === undefined) mechanism = new NullMechanism(metadata)
    else if (plain === 'server') mechanism = new PlainServer(metadata)
    else mechanism = new PlainClient(metadata, plain[0], plain[1])
    this.connection = new Connection(
      {
        socketType: type,
        mechanism,
        limits: { ...NO_LIMITS, ...limits },
        heartbeat: { intervalMs: 0, timeoutMs: 0, ttlMs: 0, ...heartbeat },
        handshakeTimeoutMs,
        stagedGreeting,
        numbered: options.numbered === true,
      },
      this,
    )
    this.connection.start(0)
  }

  /** Gives the bytes to the connection, in one chunk. */
  hear(...parts: (string | Buffer)[]): this {
    this.connection.receive(bytes(...parts), this.now)
    return this
  }

  /** Gives the bytes in chunks cut at these offsets. */
  hearCut(stream: Buffer, offsets: readonly number[]): this {
    let from = 0
    for (const to of [...offsets, stream.length]) {
      // Each chunk in memory of its own, as a transport has it.
      if (to > from) this.connection.receive(Buffer.from(stream.subarray(from, to)), this.now)
      from = Math.max(from, to)
    }
    return this
  }

  /** Everything that is to be put on the wire, joined. */
  said(): Buffer {
    return Buffer.concat(this.connection.takeOutput())
  }

  get last(): string | undefined {
    return this.log.at(-1)
  }

  authenticate(request: AuthRequest): void {
    this.#note(`authenticate ${request.mechanism === 'PLAIN' ? `${request.username}:${request.password}` : request.publicKey}`)
    if (this.#answer !== undefined) this.connection.answer(this.#answer(request), this.now)
  }

  ready(info: PeerInfo): void {
    this.info = info
    this.#note(`ready ${info.socketType}${info.routingId.length > 0 ? ` ${info.routingId.toString('latin1')}` : ''}`)
  }

  message(message: Message): void {
    const copy = message.map((body) => Buffer.from(body))
    this.messages.push(copy)
    this.#note(`message ${copy.map(show).join('|')}`)
  }

  numbered(number: number, body: Buffer): void {
    this.#note(`numbered ${number} ${show(Buffer.from(body))}`)
  }

  subscription(subscribe: boolean, topic: Buffer): void {
    this.#note(`${subscribe ? 'subscribe' : 'cancel'} ${show(topic)}`)
  }

  closed(reason: ProtocolError): void {
    this.reason = reason
    this.#note(`closed ${reason.constructor.name}: ${reason.reason}`)
  }

  #note(line: string): void {
    this.log.push(line)
    this.onEvent(line)
  }
}

/** A NULL connection after its handshake, with its output and log emptied. */
export function inTraffic(options: RecorderOptions = {}, peer = 'ROUTER', minor = 1): Recorder {
  const recorder = new Recorder(options)
  recorder.hear(greeting('NULL', minor), ready(peer))
  if (recorder.connection.state !== 'traffic') throw new Error(`no traffic: ${recorder.last}`)
  recorder.said()
  recorder.log.length = 0
  return recorder
}

/** Every way to cut a stream once, and the way of one byte at a time. */
export function* cuts(length: number): Generator<number[]> {
  for (let offset = 0; offset < length; offset++) yield [offset]
  yield Array.from({ length }, (_, offset) => offset)
}
