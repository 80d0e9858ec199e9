/**
 * One ZMTP 3.1 connection, without I/O: bytes and time in; messages, events, bytes and one deadline out.
 *
 * | state     | what comes                      | next      |
 * | --------- | ------------------------------- | --------- |
 * | greeting  | 64 good bytes, same mechanism   | handshake |
 * | handshake | the mechanism says ready        | traffic   |
 * | traffic   | messages, commands              | traffic   |
 * | any       | a fault, a deadline, `close`    | closed    |
 *
 * Rules it keeps:
 * - **Nothing but the handshake is written before the peer's READY was received** (a server's own READY sent): libzmq takes
 *   an early message for a handshake command, closes, and if it was the connecting side never comes back.
 * - What comes behind the peer's READY in the same chunk counts.
 * - A message is handed over whole or not at all; commands may stand between its frames.
 * - A refusal that may pass sends no ERROR: libzmq gives an endpoint up for good on any ERROR.
 */

import { ProtocolError } from '../errors.ts'
import { type Command, decodeCommand, decodePing, encodePing, encodePong, encodeSubscription } from './command.ts'
import { ConnectionTimes } from './connection-times.ts'
import type { EncodedMessage } from './encoded-message.ts'
import { COMMAND, type Message, MORE } from './frame.ts'
import { FrameDecoder, type FrameLimits, type FrameSink } from './frame-decoder.ts'
import { FrameWriter } from './frame-writer.ts'
import { encodeGreeting, type Greeting, GreetingDecoder, MECHANISM_OFFSET } from './greeting.ts'
import { LimitExceeded } from './limit-exceeded.ts'
import {
  type AuthAnswer,
  type AuthRequest,
  decodeHandshakeCommand,
  type FrameCodec,
  type HandshakeStep,
  type Mechanism,
  unexpected,
} from './mechanism/mechanism.ts'
import { type Metadata, otherProperties, routingIdOf, socketTypeOf } from './metadata.ts'
import { type Body, toNumbered } from './numbered.ts'
import { hearsSubscriptions, mayTalk, type SocketType } from './socket-type.ts'

const EMPTY = Buffer.alloc(0)

export interface ConnectionLimits {
  /** Largest frame of a message, bytes. */
  maxFrameBytes: number
  /** Largest message over all its frames, bytes. */
  maxMessageBytes: number
  /** Most frames of a message. */
  maxMessageFrames: number
  /** Largest command (PING, SUBSCRIBE), bytes. */
  maxCommandBytes: number
  /** All commands of a handshake together, bytes: what a stranger may say before it is let in. */
  maxHandshakeBytes: number
}

/** [RFC 37, Connection Heartbeating]; all in milliseconds. */
export interface HeartbeatOptions {
  /** A PING so often; 0 for none (ZMQ_HEARTBEAT_IVL). */
  intervalMs: number
  /** Without a byte for so long after a PING, the connection is closed; 0 for never (ZMQ_HEARTBEAT_TIMEOUT). */
  timeoutMs: number
  /** What the peer is told to wait for our next byte; 0 for not at all; at most 65,500 (ZMQ_HEARTBEAT_TTL). */
  ttlMs: number
}

export interface ConnectionOptions {
  socketType: SocketType
  mechanism: Mechanism
  limits: ConnectionLimits
  heartbeat: HeartbeatOptions
  /** From `start` to READY (ZMQ_HANDSHAKE_IVL); 0 for ever. */
  handshakeTimeoutMs: number
  /**
   * Tell our mechanism only after the peer's. libzmq sends its own once it has our version, but closes without a word if it
   * has seen another mechanism by then. Costs half a round trip: for when a greeting has failed before.
   */
  stagedGreeting?: boolean
  /** Hand numbered messages to `numbered`, as far as that saves anything; `message` gets the others all the same. */
  numbered?: boolean
}

/** A peer that waits for our whole greeting, too, gets it after so long. */
const STAGED_GREETING_MS = 1000

/** What a peer told about itself in the handshake. */
export interface PeerInfo {
  socketType: SocketType
  /** Empty when it has none. */
  routingId: Buffer
  /** Whatever else it told. */
  metadata: Metadata
  /** What the authenticator knows it by; `undefined` without one. */
  user: unknown
}

/** Told what happens, while it happens: in calls made from `receive`, `answer` and `tick`. */
export interface ConnectionHandler {
  /** The application is to decide; answer with {@link Connection.answer}, now or later. */
  authenticate(request: AuthRequest): void
  /** Messages may be sent from now on. */
  ready(info: PeerInfo): void
  /** Frames may be kept. */
  message(message: Message): void
  /** Only where the options ask for it: a numbered message whose body is one frame, which may be kept. */
  numbered?(number: number, body: Buffer): void
  subscription(subscribe: boolean, topic: Buffer): void
  /** The connection is over. What `takeOutput` still holds is for the peer to hear. */
  closed(reason: ProtocolError): void
}

/** The peer said nothing for longer than was agreed. */
export class PeerSilent extends ProtocolError {}
/** The handshake was not over in time. */
export class HandshakeTimeout extends LimitExceeded {}
/** The peer's socket type does not go with ours. */
export class IncompatiblePeer extends ProtocolError {}

export class Connection implements FrameSink {
  readonly #socketType: SocketType
  readonly #limits: ConnectionLimits
  readonly #heartbeat: HeartbeatOptions
  readonly #handshakeTimeoutMs: number
  readonly #stagedGreeting: boolean
  readonly #numbered: boolean
  /** Let go once it has done its work. */
  #mechanism: Mechanism | undefined
  readonly #handler: ConnectionHandler
  readonly #writer = new FrameWriter()
  readonly #decoder: FrameDecoder
  /** Let go once the greeting came. */
  #greetingDecoder: GreetingDecoder | undefined

  readonly #frameLimits: FrameLimits

  #state: 'greeting' | 'handshake' | 'traffic' | 'closed' = 'greeting'
  /** Seals and opens the frames of traffic; undefined where they travel as they are. */
  #codec: FrameCodec | undefined
  /** The peer's version, 3.x. */
  #minor: Greeting['minor'] = 1
  /** True while the application decides: commands that come meanwhile are against the grammar. */
  #authenticating = false
  #user: unknown

  /** Of the commands of the handshake. */
  #handshakeBytes = 0

  /** Frames of the message under way, and their size. */
  #parts: Message | undefined
  #partCount = 0
  #partsBytes = 0

  /** The part of our greeting that is held back. */
  #restOfGreeting: Buffer | undefined

  /** Undefined when no deadline is armed. */
  #times: ConnectionTimes | undefined

  #paused = false
  #outputBlocked = false
  /** The context of the PONG that waits while the peer does not read; one is enough for any number of PINGs. */
  #pongWaiting: Buffer | undefined

  constructor(options: ConnectionOptions, handler: ConnectionHandler) {
    const { socketType, limits, mechanism } = options
    this.#socketType = socketType
    this.#limits = limits
    this.#heartbeat = options.heartbeat
    this.#handshakeTimeoutMs = options.handshakeTimeoutMs
    this.#stagedGreeting = options.stagedGreeting === true
    // Not where no envelope could come through.
    this.#numbered = options.numbered === true && limits.maxMessageFrames >= 3 && limits.maxFrameBytes >= 4
    this.#mechanism = mechanism
    this.#handler = handler
    this.#greetingDecoder = new GreetingDecoder(mechanism.name)
    this.#frameLimits = {
      // A message of a single frame goes by this limit alone.
      maxFrameBytes: Math.min(limits.maxFrameBytes, limits.maxMessageBytes),
      maxCommandBytes: limits.maxCommandBytes,
      repairLostLongBit: hearsSubscriptions(socketType),
    }
    this.#decoder = new FrameDecoder(this, { ...this.#frameLimits, maxCommandBytes: options.limits.maxHandshakeBytes })
    this.#decoder.commandsOnly = true
  }

  get state(): 'greeting' | 'handshake' | 'traffic' | 'closed' {
    return this.#state
  }

  /** What it tells when the peer closes the transport now, as far as it tells anything. */
  get reasonIfClosedNow(): ProtocolError | undefined {
    if (this.#state === 'greeting') return this.#greetingDecoder?.cutShort
    return this.#state === 'handshake' ? this.#mechanism?.reasonIfClosedNow : undefined
  }

  /** True when each frame is encrypted for this peer alone: then nothing encoded can be shared with others. */
  get encrypted(): boolean {
    return this.#codec !== undefined
  }

  /** Bytes to be put on the wire. */
  get outputBytes(): number {
    return this.#writer.pendingBytes
  }

  /** The next time at which {@link tick} is wanted; Infinity for never. */
  get deadline(): number {
    return this.#times === undefined ? Number.POSITIVE_INFINITY : this.#times.first
  }

  /** The transport is there: the greeting goes out, whole unless it is staged. `now` is any clock in ms that never goes back. */
  start(now: number): void {
    const mechanism = this.#mechanism as Mechanism
    const times = new ConnectionTimes()
    this.#times = times
    const greeting = encodeGreeting(mechanism.name, mechanism.asServer)
    if (this.#stagedGreeting) {
      this.#writer.writeBytes(greeting.subarray(0, MECHANISM_OFFSET))
      this.#restOfGreeting = greeting.subarray(MECHANISM_OFFSET)
      times.greetBy = now + STAGED_GREETING_MS
    } else {
      this.#writer.writeBytes(greeting)
    }
    if (this.#handshakeTimeoutMs > 0) times.handshakeBy = now + this.#handshakeTimeoutMs
  }

  /** Bytes of the peer. Faults close the connection; nothing is thrown. */
  receive(chunk: Buffer, now: number): void {
    // Any byte is a sign of life, also one of a large frame that trickles in: libzmq counts whole frames only.
    this.#times?.heard()
    if (this.#greetingDecoder !== undefined) return this.#guard(() => this.#receiveGreeting(chunk), now)
    // As `#guard`, without a function for each chunk.
    if (this.#state === 'closed') return
    this.#now = now
    try {
      this.#decoder.decode(chunk)
    } catch (error) {
      this.#fault(error)
    }
  }

  /**
   * Stops handing messages over, after the one under way. What came already is kept, less than one chunk. While nothing is
   * read, silence proves nothing: the peer is not given up.
   */
  pause(): void {
    this.#paused = true
    this.#times?.heard()
    this.#decoder.pause()
  }

  resume(now: number): void {
    this.#paused = false
    this.#guard(() => this.#decoder.resume(), now)
  }

  /** Nothing more comes, since the transport has closed: hands over what {@link pause} has kept, less than one chunk. */
  drain(now: number): void {
    if (this.#state === 'traffic') this.resume(now)
  }

  /** Only in traffic. A body of 2 KiB or more is taken by reference: it must not change until it is written. */
  send(message: Message): void {
    if (this.#codec === undefined) {
      this.#writer.writeMessage(message)
      return
    }
    const last = message.length - 1
    for (const [index, body] of message.entries()) this.#write(index < last ? MORE : 0, body)
  }

  /** As `send`, of a numbered message. */
  sendNumbered(number: number, body: Body): void {
    if (this.#codec === undefined) this.#writer.writeNumbered(number, body)
    else this.send(toNumbered(number, body))
  }

  /** Only in traffic, and not when {@link encrypted}: a message that was encoded for several peers at once. */
  sendEncoded(message: EncodedMessage): void {
    this.#writer.writeEncoded(message)
  }

  /** Only in traffic. */
  sendSubscription(subscribe: boolean, topic: Buffer): void {
    const { flags, body } = encodeSubscription(subscribe, topic, this.#minor)
    this.#write(flags, body)
  }

  /** What is to be put on the wire, in order. */
  takeOutput(): Buffer[] {
    return this.#writer.take()
  }

  /** The transport takes no more for now (true), or again (false): PONGs are held back meanwhile. */
  setOutputBlocked(blocked: boolean): void {
    this.#outputBlocked = blocked
    if (blocked || this.#pongWaiting === undefined) return
    this.#write(COMMAND, encodePong(this.#pongWaiting))
    this.#pongWaiting = undefined
  }

  /** The application's answer to `authenticate`. */
  answer(answer: AuthAnswer, now: number): void {
    if (!this.#authenticating) return
    this.#authenticating = false
    if (answer.status === 200) this.#user = answer.user
    this.#guard(() => this.#step((this.#mechanism as Mechanism).answer(answer)), now)
  }

  /** Time has passed: PINGs are written, and what is overdue closes the connection. */
  tick(now: number): void {
    const times = this.#times
    if (this.#state === 'closed' || times === undefined) return
    if (now >= times.greetBy) this.#finishGreeting()
    if (now >= times.handshakeBy) {
      const ms = this.#handshakeTimeoutMs
      this.#close(new HandshakeTimeout('handshakeInterval', `the handshake was not over after ${ms} ms (it stopped at the ${this.#state})`))
    } else if (now >= times.aliveBy) {
      this.#close(new PeerSilent(`the peer answered no PING for ${this.#heartbeat.timeoutMs} ms`))
    } else if (now >= times.ttlBy) {
      this.#close(new PeerSilent('the peer said nothing within the time to live of its own PING'))
    } else if (now >= times.pingAt) {
      const { intervalMs, timeoutMs, ttlMs } = this.#heartbeat
      times.pingAt = now + intervalMs
      if (!this.#outputBlocked) this.#write(COMMAND, encodePing(ttlMs))
      if (timeoutMs > 0 && times.aliveBy === Number.POSITIVE_INFINITY && !this.#paused) times.aliveBy = now + timeoutMs
    }
  }

  /** Ends the connection from our side, without a word to the handler. */
  close(): void {
    this.#state = 'closed'
    this.#decoder.stop()
    this.#parts = undefined
    this.#pongWaiting = undefined
    this.#times = undefined
  }

  /** A frame of the decoder. */
  frame(flags: number, body: Buffer): void {
    if (this.#state === 'traffic') {
      if (this.#codec === undefined) this.#trafficFrame(flags, body)
      else this.#sealedFrame(this.#codec, flags, body)
      return
    }
    const { maxHandshakeBytes } = this.#limits
    this.#handshakeBytes += body.length
    if (this.#handshakeBytes > maxHandshakeBytes) {
      throw new LimitExceeded('maxHandshakeBytes', `a handshake of more than ${maxHandshakeBytes} bytes`)
    }
    this.#handshakeCommand(decodeHandshakeCommand(body))
  }

  /** A message of the decoder. */
  numbered(number: number, body: Buffer): void {
    this.#checkSize(body.length + 4)
    this.#handler.numbered?.(number, body)
  }

  #trafficFrame(flags: number, body: Buffer): void {
    if ((flags & COMMAND) !== 0) this.#trafficCommand(decodeCommand(body))
    else if (flags === 0 && this.#parts === undefined) this.#handler.message([body])
    else this.#part(flags, body)
  }

  /** What came encrypted, under the limits that hold for what comes in clear. */
  #sealedFrame(codec: FrameCodec, outerFlags: number, sealed: Buffer): void {
    if ((outerFlags & MORE) !== 0) throw new ProtocolError('an encrypted frame has the MORE flag set outside')
    const { flags, body } = codec.open(sealed)
    const { maxFrameBytes, maxCommandBytes } = this.#frameLimits
    const isCommand = (flags & COMMAND) !== 0
    if (isCommand && (flags & MORE) !== 0) throw new ProtocolError('an encrypted command has the MORE flag set')
    const limit = isCommand ? maxCommandBytes : maxFrameBytes
    if (body.length > limit) {
      throw new LimitExceeded(
        'maxMessageSize',
        `${isCommand ? 'a command' : 'a frame'} of ${body.length} bytes is over the limit of ${limit} bytes`,
      )
    }
    this.#trafficFrame(flags, body)
  }

  /** A frame of traffic. */
  #write(flags: number, body: Buffer): void {
    if (this.#codec === undefined) this.#writer.writeFrame(flags, body)
    else this.#writer.writeFrame(0, this.#codec.seal(flags, body))
  }

  #part(flags: number, body: Buffer): void {
    const { maxMessageFrames } = this.#limits
    // Room for an envelope of two and a body: `push` to an empty list would make room for 17.
    this.#parts ??= [EMPTY, EMPTY, EMPTY]
    const parts = this.#parts
    parts[this.#partCount++] = body
    this.#partsBytes += body.length
    if (this.#partCount > maxMessageFrames) throw new LimitExceeded('maxMessageSize', `a message of more than ${maxMessageFrames} frames`)
    this.#checkSize(this.#partsBytes)
    if ((flags & MORE) !== 0) return
    const message = this.#partCount < parts.length ? parts.slice(0, this.#partCount) : parts
    this.#parts = undefined
    this.#partCount = this.#partsBytes = 0
    this.#handler.message(message)
  }

  #checkSize(bytes: number): void {
    const { maxMessageBytes } = this.#limits
    if (bytes > maxMessageBytes) throw new LimitExceeded('maxMessageSize', `a message over the limit of ${maxMessageBytes} bytes`)
  }

  #trafficCommand(command: Command): void {
    switch (command.name) {
      case 'PING':
        return this.#ping(command.data)
      case 'SUBSCRIBE':
      case 'CANCEL':
        // libzmq hands these to the application of a socket that is no publisher; here they end.
        if (hearsSubscriptions(this.#socketType)) this.#handler.subscription(command.name === 'SUBSCRIBE', command.data)
        return
      case 'READY':
        throw new ProtocolError('a second READY')
      default:
        // PONG counts as life like any byte. Unknown commands are for later versions [RFC 37, Commands].
        return
    }
  }

  #ping(data: Buffer): void {
    const { ttlMs, context } = decodePing(data)
    if (ttlMs > 0 && !this.#paused) {
      this.#times ??= new ConnectionTimes()
      this.#times.ttlBy = this.#now + ttlMs
    }
    if (this.#outputBlocked) this.#pongWaiting = Buffer.from(context)
    else this.#write(COMMAND, encodePong(context))
  }

  #receiveGreeting(chunk: Buffer): void {
    const decoder = this.#greetingDecoder as GreetingDecoder
    const rest = chunk.subarray(decoder.push(chunk))
    if (decoder.greeting !== undefined) this.#greetingCame(decoder.greeting)
    if (rest.length > 0) this.#decoder.decode(rest)
  }

  #greetingCame(greeting: Greeting): void {
    this.#greetingDecoder = undefined
    this.#finishGreeting()
    this.#minor = greeting.minor
    this.#state = 'handshake'
    const first = this.#mechanism?.start()
    if (first !== undefined) this.#writer.writeFrame(COMMAND, first)
  }

  #finishGreeting(): void {
    if (this.#restOfGreeting !== undefined) this.#writer.writeBytes(this.#restOfGreeting)
    this.#restOfGreeting = undefined
    if (this.#times !== undefined) this.#times.greetBy = Number.POSITIVE_INFINITY
  }

  #handshakeCommand(command: Command): void {
    if (this.#authenticating) throw unexpected(command, 'our answer')
    this.#step((this.#mechanism as Mechanism).receive(command))
  }

  #step(step: HandshakeStep): void {
    switch (step.name) {
      case 'continue':
        if (step.send !== undefined) this.#writer.writeFrame(COMMAND, step.send)
        return
      case 'authenticate':
        this.#authenticating = true
        this.#handler.authenticate(step.request)
        return
      case 'failed':
        if (step.send !== undefined) this.#writer.writeFrame(COMMAND, step.send)
        throw step.error
      case 'ready': {
        const info = this.#peerInfo(step.metadata)
        if (step.send !== undefined) this.#writer.writeFrame(COMMAND, step.send)
        this.#state = 'traffic'
        this.#decoder.commandsOnly = false
        if (step.codec === undefined) this.#decoder.limits = this.#frameLimits
        else this.#useCodec(step.codec)
        this.#decoder.numbered = this.#numbered && step.codec === undefined
        this.#mechanism = undefined
        this.#times = undefined
        const { intervalMs } = this.#heartbeat
        if (intervalMs > 0) {
          this.#times = new ConnectionTimes()
          this.#times.pingAt = this.#now + intervalMs
        }
        this.#handler.ready(info)
        return
      }
      default:
        step satisfies never
    }
  }

  #useCodec(codec: FrameCodec): void {
    this.#codec = codec
    // Which are commands is seen inside. Those whose LONG bit libzmq forgets travel in clear only.
    const maxBytes = this.#frameLimits.maxFrameBytes + codec.overhead
    this.#decoder.limits = { maxFrameBytes: maxBytes, maxCommandBytes: maxBytes, repairLostLongBit: false }
  }

  #peerInfo(metadata: Metadata): PeerInfo {
    const socketType = socketTypeOf(metadata)
    if (!mayTalk(this.#socketType, socketType)) {
      throw new IncompatiblePeer(`the peer is a ${socketType} socket, which does not go with ${this.#socketType}`)
    }
    return { socketType, routingId: routingIdOf(metadata), metadata: otherProperties(metadata), user: this.#user }
  }

  /** The time of the call under way. */
  #now = 0

  /** Runs one input; a fault of the peer closes the connection, once. */
  #guard(input: () => void, now: number): void {
    if (this.#state === 'closed') return
    this.#now = now
    try {
      input()
    } catch (error) {
      this.#fault(error)
    }
  }

  #fault(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error
    this.#close(error)
  }

  #close(reason: ProtocolError): void {
    // Errors thrown while the handler itself closed the connection have been dealt with.
    if (this.#state === 'closed') return
    this.close()
    this.#handler.closed(reason)
  }
}
