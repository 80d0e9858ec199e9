/**
 * CURVE: both sides prove by their keys who they are, and everything behind the handshake is encrypted [RFC 26, as libzmq
 * speaks it]. The client knows the server's public key beforehand. C and S are the lasting keys of client and server, C' and S'
 * those of this connection; `box(…)(A→B)` is sealed with the key that A and B share.
 *
 * ```
 * client HELLO 01 00 zero*72 C' counter box(zero*64)(C'→S)                server WELCOME nonce box(S' cookie)(C'↔S)
 * client INITIATE cookie counter box(C nonce vouch metadata)(C'→S')       server READY counter box(metadata)(C'↔S')
 *        vouch = box(C' S)(C→S')
 * both   MESSAGE counter box(flags body)(C'↔S')
 * ```
 *
 * Rules it keeps:
 * - Counters of each side rise over all its commands; one that does not is a repetition, and closes.
 * - MESSAGE travels as a *message* of one frame, though it is written like a command: libzmq drops one with COMMAND set. From a
 *   peer both are taken.
 * - MORE and COMMAND stand inside, and COMMAND there is 02. PING, PONG and subscriptions are encrypted like all else: what
 *   comes in clear behind the handshake closes.
 * - Our cookie is random: in RFC 26 it lets the server forget the client meanwhile, but ours keeps what it needs with the
 *   connection, and so sends no secret away.
 *
 * Who is client follows from the options, not from who binds, as in PLAIN.
 */

import { timingSafeEqual } from 'node:crypto'
import { ProtocolError } from '../../errors.ts'
import { type Command, encodeCommand } from '../command.ts'
import { COMMAND, MORE } from '../frame.ts'
import { decodeMetadata, type Metadata } from '../metadata.ts'
import { encodeZ85 } from '../z85.ts'
import { Box, KEY_BYTES, type KeyPair, NONCE_BYTES, TAG_BYTES } from './crypto.ts'
import {
  type AuthAnswer,
  decodeError,
  type FrameCodec,
  type HandshakeStep,
  type Mechanism,
  type OpenedFrame,
  refusal,
  unexpected,
} from './mechanism.ts'

/** Where the keys and nonces of one connection come from. */
export interface CurveRandom {
  keyPair(): KeyPair
  bytes(length: number): Buffer
}

/**
 * The peer went away when it had our HELLO. A server does so when it cannot open it, which is sealed for the public key that we
 * take for its own; but a peer that just ends may, too.
 */
export class HelloRefused extends ProtocolError {
  constructor() {
    super("the peer closed the connection without answering our HELLO: most likely the server's public key is not the one set here")
  }
}

const VERSION = Buffer.from([1, 0])
const SIGNATURE = Buffer.alloc(64)
const HELLO_PADDING = Buffer.alloc(72)
const COUNTER_BYTES = 8
const LONG_NONCE_BYTES = 16
const COOKIE_BYTES = 96
const VOUCH_BYTES = TAG_BYTES + 2 * KEY_BYTES

export class CurveClient implements Mechanism {
  readonly name = 'CURVE'
  readonly asServer = false
  readonly #metadata: Buffer
  readonly #own: KeyPair
  readonly #serverKey: Buffer
  readonly #random: CurveRandom
  readonly #received = new Counter()
  #state: { name: 'new' } | { name: 'hello'; transient: KeyPair; box: Box } | { name: 'initiate'; box: Box } = { name: 'new' }

  constructor(metadata: Buffer, own: KeyPair, serverKey: Buffer, random: CurveRandom) {
    this.#metadata = metadata
    this.#own = own
    this.#serverKey = serverKey
    this.#random = random
  }

  /** Who cannot open our HELLO has nothing to answer with: ERROR would end a libzmq client for good. */
  get reasonIfClosedNow(): HelloRefused | undefined {
    return this.#state.name === 'hello' ? new HelloRefused() : undefined
  }

  start(): Buffer {
    const transient = this.#random.keyPair()
    const box = new Box(transient, this.#serverKey)
    this.#state = { name: 'hello', transient, box }
    const counter = encodeCounter(1)
    const signature = box.seal(counterNonce('CurveZMQHELLO---', counter), SIGNATURE)
    return encodeCommand('HELLO', VERSION, HELLO_PADDING, transient.publicKey, counter, signature)
  }

  receive(command: Command): HandshakeStep {
    if (command.name === 'ERROR') return decodeError(command.data)
    const state = this.#state
    if (state.name === 'hello' && command.name === 'WELCOME') return this.#welcome(command.data, state.transient, state.box)
    if (state.name === 'initiate' && command.name === 'READY') return this.#ready(command.data, state.box)
    throw unexpected(command, state.name === 'initiate' ? 'READY' : 'WELCOME')
  }

  answer(): never {
    throw new Error('a CURVE client asks nobody')
  }

  #welcome(data: Buffer, transient: KeyPair, hello: Box): HandshakeStep {
    if (data.length !== LONG_NONCE_BYTES + TAG_BYTES + KEY_BYTES + COOKIE_BYTES) throw new ProtocolError('a WELCOME of a wrong length')
    const [nonce, sealed] = split(data, LONG_NONCE_BYTES)
    const [serverTransient, cookie] = split(opened(hello.open(longNonce('WELCOME-', nonce), sealed), 'WELCOME'), KEY_BYTES)
    const vouchNonce = this.#random.bytes(LONG_NONCE_BYTES)
    const vouch = new Box(this.#own, serverTransient).seal(
      longNonce('VOUCH---', vouchNonce),
      Buffer.concat([transient.publicKey, this.#serverKey]),
    )
    const box = new Box(transient, serverTransient)
    this.#state = { name: 'initiate', box }
    const counter = encodeCounter(2)
    const content = Buffer.concat([this.#own.publicKey, vouchNonce, vouch, this.#metadata])
    const initiate = box.seal(counterNonce('CurveZMQINITIATE', counter), content)
    return { name: 'continue', send: encodeCommand('INITIATE', cookie, counter, initiate) }
  }

  #ready(data: Buffer, box: Box): HandshakeStep {
    const [counter, sealed] = split(data, COUNTER_BYTES)
    this.#received.take(counter)
    const metadata = decodeMetadata(opened(box.open(counterNonce('CurveZMQREADY---', counter), sealed), 'READY'))
    return { name: 'ready', metadata, codec: new CurveCodec(box, 'client', 2, this.#received) }
  }
}

export class CurveServer implements Mechanism {
  readonly name = 'CURVE'
  readonly asServer = true
  readonly #metadata: Buffer
  readonly #own: KeyPair
  readonly #random: CurveRandom
  readonly #received = new Counter()
  #state:
    | { name: 'new' }
    | { name: 'welcome'; transient: KeyPair; clientTransient: Buffer; cookie: Buffer }
    | { name: 'asking'; box: Box; metadata: Metadata }
    | { name: 'done' } = { name: 'new' }

  constructor(metadata: Buffer, own: KeyPair, random: CurveRandom) {
    this.#metadata = metadata
    this.#own = own
    this.#random = random
  }

  start(): undefined {
    return undefined
  }

  receive(command: Command): HandshakeStep {
    const state = this.#state
    if (state.name === 'new' && command.name === 'HELLO') return this.#hello(command.data)
    if (state.name === 'welcome' && command.name === 'INITIATE') {
      return this.#initiate(command.data, state.transient, state.clientTransient, state.cookie)
    }
    throw unexpected(command, state.name === 'new' ? 'HELLO' : state.name === 'welcome' ? 'INITIATE' : 'nothing')
  }

  answer(answer: AuthAnswer): HandshakeStep {
    const state = this.#state
    if (state.name !== 'asking') throw new Error('nobody was asked')
    this.#state = { name: 'done' }
    if (answer.status !== 200) return refusal(answer.status)
    const counter = encodeCounter(1)
    const ready = state.box.seal(counterNonce('CurveZMQREADY---', counter), this.#metadata)
    return {
      name: 'ready',
      metadata: state.metadata,
      send: encodeCommand('READY', counter, ready),
      codec: new CurveCodec(state.box, 'server', 1, this.#received),
    }
  }

  #hello(data: Buffer): HandshakeStep {
    const head = VERSION.length + HELLO_PADDING.length
    if (data.length !== head + KEY_BYTES + COUNTER_BYTES + TAG_BYTES + SIGNATURE.length)
      throw new ProtocolError('a HELLO of a wrong length')
    if (!data.subarray(0, VERSION.length).equals(VERSION)) throw new ProtocolError('a HELLO of another version of CURVE')
    // Copied: it outlives the chunk it came in.
    const clientTransient = Buffer.from(data.subarray(head, head + KEY_BYTES))
    const [counter, sealed] = split(data.subarray(head + KEY_BYTES), COUNTER_BYTES)
    const box = new Box(this.#own, clientTransient)
    const signature = box.open(counterNonce('CurveZMQHELLO---', counter), sealed)
    if (signature === undefined)
      throw new ProtocolError('the HELLO cannot be opened: the peer has another public key for this server than ours')
    if (!signature.equals(SIGNATURE)) throw new ProtocolError('a HELLO with a wrong signature')
    this.#received.take(counter)
    const transient = this.#random.keyPair()
    const nonce = this.#random.bytes(LONG_NONCE_BYTES)
    const cookie = this.#random.bytes(COOKIE_BYTES)
    this.#state = { name: 'welcome', transient, clientTransient, cookie }
    const welcome = box.seal(longNonce('WELCOME-', nonce), Buffer.concat([transient.publicKey, cookie]))
    return { name: 'continue', send: encodeCommand('WELCOME', nonce, welcome) }
  }

  #initiate(data: Buffer, transient: KeyPair, clientTransient: Buffer, cookie: Buffer): HandshakeStep {
    const [theirCookie, rest] = split(data, COOKIE_BYTES)
    if (!timingSafeEqual(theirCookie, cookie)) throw new ProtocolError('an INITIATE with a cookie that is not ours')
    const [counter, sealed] = split(rest, COUNTER_BYTES)
    this.#received.take(counter)
    const box = new Box(transient, clientTransient)
    const content = opened(box.open(counterNonce('CurveZMQINITIATE', counter), sealed), 'INITIATE')
    const [publicKey, behindKey] = split(content, KEY_BYTES)
    const [vouchNonce, behindNonce] = split(behindKey, LONG_NONCE_BYTES)
    const [sealedVouch, metadata] = split(behindNonce, VOUCH_BYTES)
    const vouch = opened(new Box(transient, publicKey).open(longNonce('VOUCH---', vouchNonce), sealedVouch), 'vouch')
    if (!vouch.equals(Buffer.concat([clientTransient, this.#own.publicKey]))) throw new ProtocolError('a vouch for other keys')
    this.#state = { name: 'asking', box, metadata: decodeMetadata(metadata) }
    return { name: 'authenticate', request: { mechanism: 'CURVE', publicKey: encodeZ85(publicKey) } }
  }
}

/** `07 "MESSAGE"`, as two numbers. */
const MESSAGE_HIGH = 0x07_4d_45_53
const MESSAGE_LOW = 0x53_41_47_45
const HEAD_BYTES = 8 + COUNTER_BYTES

/** COMMAND inside of a MESSAGE; MORE is the same inside and outside. */
const INNER_COMMAND = 0x02

class CurveCodec implements FrameCodec {
  /** Name, counter, authenticator, flags. */
  readonly overhead = HEAD_BYTES + TAG_BYTES + 1
  readonly #box: Box
  readonly #received: Counter
  #sent: number
  readonly #sendNonce: Buffer
  readonly #receiveNonce: Buffer

  /** `sent`: the last counter we used. */
  constructor(box: Box, role: 'client' | 'server', sent: number, received: Counter) {
    const [ours, theirs] = role === 'client' ? (['C', 'S'] as const) : (['S', 'C'] as const)
    this.#box = box
    this.#sent = sent
    this.#received = received
    this.#sendNonce = counterNonce(`CurveZMQMESSAGE${ours}`, Buffer.alloc(COUNTER_BYTES))
    this.#receiveNonce = counterNonce(`CurveZMQMESSAGE${theirs}`, Buffer.alloc(COUNTER_BYTES))
  }

  seal(flags: number, body: Buffer): Buffer {
    const plain = Buffer.allocUnsafe(1 + body.length)
    plain[0] = (flags & MORE) | ((flags & COMMAND) !== 0 ? INNER_COMMAND : 0)
    plain.set(body, 1)
    this.#sent++
    writeCounter(this.#sendNonce, NONCE_BYTES - COUNTER_BYTES, this.#sent)
    const message = this.#box.sealWithRoom(this.#sendNonce, plain)
    message.writeUInt32BE(MESSAGE_HIGH, 0)
    message.writeUInt32BE(MESSAGE_LOW, 4)
    writeCounter(message, 8, this.#sent)
    return message
  }

  open(frame: Buffer): OpenedFrame {
    if (frame.length < 8 || frame.readUInt32BE(0) !== MESSAGE_HIGH || frame.readUInt32BE(4) !== MESSAGE_LOW) {
      throw new ProtocolError('something came in clear behind the handshake of CURVE')
    }
    if (frame.length < this.overhead) throw new ProtocolError('an encrypted frame is too short')
    const counter = frame.subarray(8, HEAD_BYTES)
    this.#received.take(counter)
    this.#receiveNonce.set(counter, NONCE_BYTES - COUNTER_BYTES)
    const plain = opened(this.#box.open(this.#receiveNonce, frame.subarray(HEAD_BYTES)), 'frame')
    const flags = plain[0] as number
    if ((flags & ~(MORE | INNER_COMMAND)) !== 0) throw new ProtocolError('an encrypted frame has reserved flag bits set')
    return { flags: (flags & MORE) | ((flags & INNER_COMMAND) !== 0 ? COMMAND : 0), body: plain.subarray(1) }
  }
}

/** The counter of a peer's commands. */
class Counter {
  #last = -1

  /**
   * From 2^53 on neighbours may look alike: then one that rose is refused, but never one that did not taken.
   *
   * @throws ProtocolError unless it has risen.
   */
  take(bytes: Buffer): void {
    const counter = bytes.readUInt32BE(0) * 0x1_0000_0000 + bytes.readUInt32BE(4)
    if (counter <= this.#last) throw new ProtocolError('a counter of CURVE has not risen: something was sent twice')
    this.#last = counter
  }
}

function writeCounter(target: Buffer, offset: number, counter: number): void {
  target.writeUInt32BE(Math.floor(counter / 0x1_0000_0000), offset)
  target.writeUInt32BE(counter >>> 0, offset + 4)
}

function encodeCounter(counter: number): Buffer {
  const bytes = Buffer.alloc(COUNTER_BYTES)
  writeCounter(bytes, 0, counter)
  return bytes
}

/** A prefix of 16 characters, and a counter. */
function counterNonce(prefix: string, counter: Buffer): Buffer {
  return Buffer.concat([Buffer.from(prefix, 'latin1'), counter])
}

/** A prefix of 8 characters, and 16 random bytes. */
function longNonce(prefix: string, random: Buffer): Buffer {
  return Buffer.concat([Buffer.from(prefix, 'latin1'), random])
}

/** @throws ProtocolError when there is less. */
function split(data: Buffer, length: number): [head: Buffer, rest: Buffer] {
  if (data.length < length) throw new ProtocolError('a command of CURVE is cut short')
  return [data.subarray(0, length), data.subarray(length)]
}

function opened(plain: Buffer | undefined, what: string): Buffer {
  if (plain === undefined) throw new ProtocolError(`the ${what} cannot be opened: it was not sealed with the agreed keys, or was changed`)
  return plain
}
