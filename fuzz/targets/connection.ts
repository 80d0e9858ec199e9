/**
 * A whole connection of the wire, from the greeting on: NULL, PLAIN and CURVE, both sides, all socket types.
 *
 * Properties: nothing is thrown; what is said stays within a small multiple of what was heard; what is announced is not
 * allocated; whole, byte by byte, or in any chunks with pauses between, numbered messages as such or as frames, the same is
 * understood and answered.
 */

import { Connection, type ConnectionHandler, type ConnectionLimits } from '../../src/wire/connection.ts'
import { type AuthAnswer, type Mechanism, type Message, type PeerInfo, type SocketType, toNumbered } from '../../src/wire/index.ts'
import { allocatedBytes } from '../allocations.ts'
import { Random } from '../random.ts'
import { kindOf, must, type Pieces, type Target } from '../target.ts'
import { command, fittingType, frame, ready, TYPES } from '../vocabulary.ts'

const KiB = 1024
const MiB = 1024 * KiB

const LIMITS: readonly ConnectionLimits[] = [
  { maxFrameBytes: 256 * MiB, maxMessageBytes: 256 * MiB, maxMessageFrames: 4096, maxCommandBytes: 64 * KiB, maxHandshakeBytes: 64 * KiB },
  { maxFrameBytes: 1000, maxMessageBytes: 1500, maxMessageFrames: 5, maxCommandBytes: 700, maxHandshakeBytes: 900 },
]

const LET_IN: AuthAnswer = { status: 200, user: 'user' }
const ANSWERS: readonly AuthAnswer[] = [...Array<AuthAnswer>(13).fill(LET_IN), { status: 300 }, { status: 400 }, { status: 500 }]

/** What the first piece of an input says. */
interface Setting {
  readonly type: SocketType
  readonly limits: ConnectionLimits
  readonly answer: AuthAnswer
  readonly heartbeat: boolean
  readonly staged: boolean
  readonly seed: number
}

function settingOf(piece: Buffer | undefined): Setting {
  const at = (index: number): number => piece?.[index] ?? 0
  return {
    type: TYPES[at(0) % TYPES.length] as SocketType,
    limits: LIMITS[at(1) % LIMITS.length] as ConnectionLimits,
    answer: ANSWERS[at(2) % ANSWERS.length] as AuthAnswer,
    heartbeat: at(3) % 2 === 1,
    staged: at(3) % 16 === 15,
    seed: at(4) * 256 + at(5),
  }
}

/** Where the peer's bytes come from, for a mechanism. */
export interface Dialogue {
  /** A mechanism of ours; `type` decides about its metadata. */
  mechanism(type: SocketType): Mechanism
  /** The bytes that the pieces stand for. */
  stream(pieces: Pieces): Buffer
}

/** Writes down what happens, to be compared. */
class Log implements ConnectionHandler {
  readonly connection: Connection
  readonly lines: string[] = []
  readonly said: Buffer[] = []
  saidBytes = 0
  readonly #answer: AuthAnswer
  readonly #late: boolean
  #asked = false

  constructor(dialogue: Dialogue, setting: Setting, late: boolean, numbered: boolean) {
    this.#answer = setting.answer
    this.#late = late
    const heartbeat = setting.heartbeat ? { intervalMs: 10, timeoutMs: 20, ttlMs: 30 } : { intervalMs: 0, timeoutMs: 0, ttlMs: 0 }
    const { type, limits, staged } = setting
    const mechanism = dialogue.mechanism(type)
    this.connection = new Connection(
      { socketType: type, mechanism, limits, heartbeat, handshakeTimeoutMs: 1000, stagedGreeting: staged, numbered },
      this,
    )
    this.connection.start(0)
    this.take()
  }

  hear(chunk: Buffer, now: number): void {
    this.connection.receive(chunk, now)
    this.take()
  }

  take(): void {
    for (const piece of this.connection.takeOutput()) {
      this.said.push(piece)
      this.saidBytes += piece.length
    }
  }

  answerLate(now: number): void {
    if (!this.#asked) return
    this.#asked = false
    this.connection.answer(this.#answer, now)
  }

  authenticate(): void {
    this.lines.push('authenticate')
    if (this.#late) this.#asked = true
    else this.connection.answer(this.#answer, 0)
  }

  ready(info: PeerInfo): void {
    this.lines.push(`ready ${info.socketType} ${info.routingId.toString('latin1')} ${info.metadata.size}`)
  }

  message(message: Message): void {
    let line = `message ${message.length}`
    for (const body of message) line += ` ${body.length}:${body.toString('latin1', 0, 64)}`
    this.lines.push(line)
  }

  numbered(number: number, body: Buffer): void {
    this.message(toNumbered(number, [body]))
  }

  subscription(subscribe: boolean, topic: Buffer): void {
    this.lines.push(`${subscribe ? 'subscribe' : 'cancel'} ${topic.length}:${topic.toString('latin1', 0, 64)}`)
  }

  closed(reason: Error): void {
    this.lines.push(`closed ${reason.constructor.name} ${reason.message}`)
  }
}

export class ConnectionTarget implements Target {
  readonly name: string
  readonly #dialogue: Dialogue
  readonly #pieces: (random: Random, peer: string) => Pieces
  readonly #piece: (random: Random) => Buffer

  constructor(name: string, dialogue: Dialogue, pieces: (random: Random, peer: string) => Pieces, piece: (random: Random) => Buffer) {
    this.name = name
    this.#dialogue = dialogue
    this.#pieces = pieces
    this.#piece = piece
  }

  generate(random: Random): Pieces {
    const setting = random.bytes(6)
    const peer = random.oneIn(20) ? random.pick(TYPES) : fittingType(settingOf(setting).type)
    return [setting, ...this.#pieces(random, peer)]
  }

  piece(random: Random): Buffer {
    return this.#piece(random)
  }

  run(input: Pieces): string {
    const setting = settingOf(input[0])
    const stream = this.#dialogue.stream(input.slice(1))
    const before = allocatedBytes()
    const whole = new Log(this.#dialogue, setting, false, true)
    whole.hear(stream, 0)
    const allocated = allocatedBytes() - before
    must(
      allocated <= MiB + 256 * KiB + 8 * stream.length,
      'no more than 1 MiB is allocated for what is only announced',
      () => `${allocated} bytes`,
    )
    must(whole.saidBytes <= 2 * KiB + 4 * stream.length, 'what is said is bounded', () => `${whole.saidBytes} for ${stream.length} bytes`)
    // Only what came in clear can be counted from outside. A context may hold anything, and comes back.
    if (!whole.connection.encrypted) {
      const [asked, echoed] = [times(stream, '\x04PING'), times(stream, '\x04PONG')]
      must(times(Buffer.concat(whole.said), '\x04PONG') <= asked + echoed, 'there are no more PONGs than PINGs')
    }
    must(whole.lines.filter((line) => line.startsWith('closed')).length <= 1, 'it closes once')

    const random = new Random(setting.seed)
    const pieces = new Log(this.#dialogue, setting, false, false)
    if (stream.length <= 512 && setting.seed % 8 < 2) this.#byteByByte(pieces, stream)
    else this.#inChunks(pieces, stream, random)
    same(whole, pieces, 'whole and in pieces the same is understood')
    must(Buffer.concat(whole.said).equals(Buffer.concat(pieces.said)), 'whole and in pieces the same is said')

    if (setting.seed % 2 === 0) {
      const paused = new Log(this.#dialogue, setting, false, true)
      this.#withPauses(paused, stream, random)
      same(whole, paused, 'with pauses the same is understood')
    } else {
      this.#asItMayGo(new Log(this.#dialogue, setting, true, true), stream, random)
    }
    return reached(whole)
  }

  #byteByByte(log: Log, stream: Buffer): void {
    for (let at = 0; at < stream.length; at++) log.hear(stream.subarray(at, at + 1), 0)
  }

  #inChunks(log: Log, stream: Buffer, random: Random): void {
    for (let at = 0; at < stream.length; ) {
      const end = at + 1 + (random.oneIn(4) ? random.below(12) : random.below(200))
      log.hear(stream.subarray(at, end), 0)
      at = end
    }
  }

  /** As a session whose application is slow, and whose peer reads slowly. */
  #withPauses(log: Log, stream: Buffer, random: Random): void {
    const { connection } = log
    for (let at = 0; at < stream.length; ) {
      const end = at + 1 + random.below(64)
      if (random.oneIn(3) && connection.state === 'traffic') connection.pause()
      if (random.oneIn(3)) connection.setOutputBlocked(random.oneIn(2))
      log.hear(stream.subarray(at, end), 0)
      if (random.oneIn(2)) connection.resume(0)
      at = end
    }
    connection.setOutputBlocked(false)
    connection.resume(0)
    log.take()
  }

  /** Time passes, answers come late, we send: nothing may be thrown, and no more said than there is reason for. */
  #asItMayGo(log: Log, stream: Buffer, random: Random): void {
    const { connection } = log
    let now = 0
    let budget = 2 * KiB + 4 * stream.length
    for (let at = 0; at < stream.length; ) {
      const end = at + 1 + random.below(128)
      now += random.below(random.oneIn(50) ? 2000 : 6)
      log.hear(stream.subarray(at, end), now)
      if (random.oneIn(2)) log.answerLate(now)
      if (random.oneIn(4)) connection.tick(now)
      if (random.oneIn(4)) connection.setOutputBlocked(random.oneIn(2))
      if (random.oneIn(8)) random.oneIn(2) ? connection.pause() : connection.resume(now)
      if (connection.state === 'traffic' && random.oneIn(4)) {
        connection.send([Buffer.alloc(random.below(300)), Buffer.alloc(1)])
        connection.sendSubscription(random.oneIn(2), Buffer.from('topic'))
        budget += 600
      }
      if (random.oneIn(200)) connection.close()
      budget += 16
      log.take()
      at = end
    }
    must(log.saidBytes <= budget, 'what is said is bounded, also in time', () => `${log.saidBytes} for ${stream.length} bytes`)
    connection.tick(now + 1e9)
    connection.close()
    must(connection.deadline === Number.POSITIVE_INFINITY, 'a closed connection wants no time')
  }
}

function same(one: Log, two: Log, property: string): void {
  const equal =
    one.connection.state === two.connection.state &&
    one.lines.length === two.lines.length &&
    one.lines.every((line, index) => line === two.lines[index])
  must(equal, property, () => JSON.stringify([one.connection.state, one.lines, two.connection.state, two.lines]))
}

function times(bytes: Buffer, text: string): number {
  return bytes.toString('latin1').split(text).length - 1
}

function reached(log: Log): string {
  const kinds = new Set(log.lines.map((line) => line.slice(0, line.indexOf(' ') >>> 0)))
  const last = log.lines.at(-1)
  const end = last?.startsWith('closed') ? kindOf(last) : ''
  return `${log.connection.state} ${[...kinds].sort().join(' ')} ${Math.min(log.lines.length, 4)} ${end}`
}

// ── What peers say ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Frames of traffic, in clear. */
export function trafficPiece(random: Random): Buffer {
  switch (random.below(13)) {
    case 12:
      // What is taken for a numbered message, or nearly so.
      return Buffer.concat([
        frame(1, random.bytes(random.oneIn(8) ? 3 : 4)),
        frame(random.oneIn(8) ? 0 : 1, random.bytes(random.oneIn(8) ? 1 : 0)),
        frame(random.oneIn(4) ? 1 : 0, random.bytes(random.oneIn(4) ? random.pick([255, 256]) : random.below(12))),
      ])
    case 0:
      return command('PING', random.bytes(2), random.bytes(random.pick([0, 4, 16, 20])))
    case 1:
      return command('PONG', random.bytes(random.below(17)))
    case 2:
      return command(
        random.oneIn(2) ? 'SUBSCRIBE' : 'CANCEL',
        Buffer.alloc(random.oneIn(4) ? random.pick([245, 246, 249, 250, 255, 300]) : random.below(4), 't'),
      )
    case 3: {
      // As libzmq 4.3.4 writes it: the LONG bit is missing.
      const body = Buffer.concat([Buffer.from('\x09SUBSCRIBE'), Buffer.alloc(246 + random.below(10), 't')])
      const size = Buffer.alloc(9)
      size[0] = 4
      size.writeUInt32BE(body.length, 5)
      return Buffer.concat([size, body])
    }
    case 4:
      return command(random.pick(['ERROR', 'READY', 'HAPPY', 'WELCOME']), random.bytes(random.below(8)))
    case 5: {
      const head = Buffer.alloc(9)
      head[0] = random.pick([2, 3, 6])
      head.writeUInt32BE(random.pick([0, 0, 0, 1, 0x1f_ffff, 0x20_0000, 0x8000_0000]), 1)
      head.writeUInt32BE(random.pick([0, 1, 255, 256, 65_536, 65_537, 0x0c80_0000, 0x1000_0001, 0xffff_ffff]), 5)
      return head
    }
    case 6:
      return frame(random.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 0x80, 0xf4]), random.bytes(random.below(20)))
    default:
      return frame(random.oneIn(3) ? 1 : 0, random.bytes(random.oneIn(8) ? random.pick([254, 255, 256, 257, 1000]) : random.below(12)))
  }
}

export function traffic(random: Random): Pieces {
  return Array.from({ length: random.below(8) }, () => trafficPiece(random))
}

export function peerReady(random: Random, type: string = random.pick(TYPES)): Buffer {
  const id = random.oneIn(2) ? undefined : random.bytes(random.oneIn(10) ? random.pick([255, 256]) : random.below(6))
  return ready(type, id)
}
