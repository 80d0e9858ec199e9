/** The connection with each mechanism, from both sides. */

import {
  CurveClient,
  type CurveRandom,
  CurveServer,
  encodeMetadata,
  type KeyPair,
  keyPairOf,
  NullMechanism,
  PlainClient,
  PlainServer,
  type SocketType,
  socketProperties,
} from '../../src/wire/index.ts'
import { Box } from '../../src/wire/mechanism/crypto.ts'
import type { Random } from '../random.ts'
import type { Pieces, Target } from '../target.ts'
import { command, frame, greeting, metadata, TYPES, words } from '../vocabulary.ts'
import { ConnectionTarget, type Dialogue, peerReady, traffic, trafficPiece } from './connection.ts'

const ours = (type: SocketType): Buffer => encodeMetadata(socketProperties(type, Buffer.from('me'), []))

const asItIs = (pieces: Pieces): Buffer => Buffer.concat(pieces)

/** A peer's metadata, now and then with more in it. */
function someMetadata(random: Random, type: string = random.pick(TYPES)): Buffer {
  const id = random.oneIn(2) ? undefined : random.bytes(random.oneIn(10) ? random.pick([255, 256]) : random.below(6))
  return metadata(type, id)
}

const text = (random: Random): Buffer => words(random.oneIn(10) ? 'x'.repeat(255) : random.pick(['', 'user', 'secret']))

const refusedBy = (random: Random): Buffer =>
  random.oneIn(2)
    ? command('ERROR', words(random.pick(['300', '400', '500', '', 'nobody knows'])))
    : frame(4, Buffer.from('\x5eRROR\x03400', 'latin1'))

// ── NULL ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

const nullPiece = (random: Random): Buffer =>
  random.oneIn(3) ? random.pick([peerReady, refusedBy, () => greeting('NULL')])(random) : trafficPiece(random)

export const nullTarget: Target = new ConnectionTarget(
  'null',
  { mechanism: (type) => new NullMechanism(ours(type)), stream: asItIs },
  (random, peer) => [greeting('NULL', random.below(2)), random.oneIn(20) ? refusedBy(random) : peerReady(random, peer), ...traffic(random)],
  nullPiece,
)

// ── PLAIN ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const hello = (random: Random): Buffer => command('HELLO', text(random), text(random))
const welcome = (): Buffer => command('WELCOME')
const initiate = (random: Random, type?: string): Buffer => command('INITIATE', someMetadata(random, type))

const plainPiece = (random: Random): Buffer =>
  random.oneIn(2) ? random.pick([hello, welcome, initiate, peerReady, refusedBy])(random) : trafficPiece(random)

export const plainServerTarget: Target = new ConnectionTarget(
  'plain-server',
  { mechanism: (type) => new PlainServer(ours(type)), stream: asItIs },
  (random, peer) => [greeting('PLAIN'), hello(random), initiate(random, peer), ...traffic(random)],
  plainPiece,
)

export const plainClientTarget: Target = new ConnectionTarget(
  'plain-client',
  { mechanism: (type) => new PlainClient(ours(type), 'user', 'secret'), stream: asItIs },
  (random, peer) => [
    greeting('PLAIN', 1, 1),
    random.oneIn(20) ? refusedBy(random) : welcome(),
    peerReady(random, peer),
    ...traffic(random),
  ],
  plainPiece,
)

// ── CURVE ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Keys and nonces are always the same, so that an input can be sealed before anybody was heard. */
const pair = (fill: number): KeyPair => keyPairOf(Buffer.alloc(32, fill))
const CLIENT = pair(1)
const SERVER = pair(2)
const CLIENT_TRANSIENT = pair(3)
const SERVER_TRANSIENT = pair(4)
const fixed = (keys: KeyPair): CurveRandom => ({ keyPair: () => keys, bytes: (length) => Buffer.alloc(length, 0x55) })

/**
 * A piece starts with how it travels: 0 as it is; 1 as the sealed content of an INITIATE or READY; 2 as that of a MESSAGE. A
 * byte for the counter follows: the next one, or from F0 on the low bits.
 */
function curveStream(side: 'client' | 'server'): Dialogue['stream'] {
  let box: Box | undefined
  return (pieces) => {
    box ??=
      side === 'client' ? new Box(CLIENT_TRANSIENT, SERVER_TRANSIENT.publicKey) : new Box(SERVER_TRANSIENT, CLIENT_TRANSIENT.publicKey)
    let counter = side === 'client' ? 1 : 0
    const parts = pieces.map((piece) => {
      const how = (piece[0] ?? 0) % 3
      if (how === 0) return piece.subarray(1)
      const told = piece[1] ?? 0
      const number = told >= 0xf0 ? told - 0xf0 : ++counter
      const content = piece.subarray(2)
      const bytes = Buffer.alloc(8)
      bytes.writeUInt32BE(number, 4)
      const seal = (prefix: string): Buffer => (box as Box).seal(Buffer.concat([Buffer.from(prefix), bytes]), content)
      if (how === 2) return frame(0, words('MESSAGE', bytes, seal(`CurveZMQMESSAGE${side === 'client' ? 'C' : 'S'}`)))
      if (side === 'client') return command('INITIATE', Buffer.alloc(96, 0x55), bytes, seal('CurveZMQINITIATE'))
      return command('READY', bytes, seal('CurveZMQREADY---'))
    })
    return Buffer.concat(parts)
  }
}

const asIs = (...parts: Buffer[]): Buffer => Buffer.concat([Buffer.from([0]), ...parts])
const sealed = (how: 1 | 2, ...parts: Buffer[]): Buffer => Buffer.concat([Buffer.from([how, 0]), ...parts])

const once = (make: () => Buffer): (() => Buffer) => {
  let made: Buffer | undefined
  return () => (made ??= make())
}

const clientHello = once(() => {
  const signature = new Box(CLIENT_TRANSIENT, SERVER.publicKey).seal(
    Buffer.concat([Buffer.from('CurveZMQHELLO---'), Buffer.from([0, 0, 0, 0, 0, 0, 0, 1])]),
    Buffer.alloc(64),
  )
  const counter = Buffer.from([0, 0, 0, 0, 0, 0, 0, 1])
  return command('HELLO', Buffer.from([1, 0]), Buffer.alloc(72), CLIENT_TRANSIENT.publicKey, counter, signature)
})

const serverWelcome = once(() => {
  const nonce = Buffer.alloc(16, 0x55)
  const content = Buffer.concat([SERVER_TRANSIENT.publicKey, Buffer.alloc(96, 0x55)])
  const box = new Box(SERVER, CLIENT_TRANSIENT.publicKey).seal(Buffer.concat([Buffer.from('WELCOME-'), nonce]), content)
  return command('WELCOME', nonce, box)
})

const vouched = once(() => {
  const nonce = Buffer.alloc(16, 0x55)
  const vouch = new Box(CLIENT, SERVER_TRANSIENT.publicKey).seal(
    Buffer.concat([Buffer.from('VOUCH---'), nonce]),
    Buffer.concat([CLIENT_TRANSIENT.publicKey, SERVER.publicKey]),
  )
  return Buffer.concat([CLIENT.publicKey, nonce, vouch])
})

const initiateContent = (random: Random, type?: string): Buffer => Buffer.concat([vouched(), someMetadata(random, type)])

/** The content of a MESSAGE: a byte of flags, COMMAND being 02 inside. */
function sealedTraffic(random: Random): Buffer {
  const flags = random.oneIn(20) ? random.below(256) : random.pick([0, 0, 0, 1, 2])
  const body =
    flags === 2
      ? random.pick([
          () => words('PING', random.bytes(2 + random.below(20))),
          () => words('SUBSCRIBE', random.bytes(4)),
          () => words('PONG'),
        ])()
      : random.bytes(random.oneIn(8) ? random.pick([255, 256, 1000]) : random.below(12))
  return sealed(2, Buffer.from([flags]), body)
}

const someSealed = (random: Random): Pieces => Array.from({ length: random.below(6) }, () => sealedTraffic(random))

const curvePiece =
  (first: () => Buffer, second: (random: Random) => Buffer) =>
  (random: Random): Buffer => {
    switch (random.below(6)) {
      case 0:
        return asIs(trafficPiece(random))
      case 1:
        return asIs(random.oneIn(2) ? first() : refusedBy(random))
      case 2:
        return sealed(1, second(random))
      default:
        return sealedTraffic(random)
    }
  }

export const curveServerTarget: Target = new ConnectionTarget(
  'curve-server',
  {
    mechanism: (type) => new CurveServer(ours(type), SERVER, fixed(SERVER_TRANSIENT)),
    stream: curveStream('client'),
  },
  (random, peer) => [asIs(greeting('CURVE')), asIs(clientHello()), sealed(1, initiateContent(random, peer)), ...someSealed(random)],
  curvePiece(clientHello, initiateContent),
)

export const curveClientTarget: Target = new ConnectionTarget(
  'curve-client',
  {
    mechanism: (type) => new CurveClient(ours(type), CLIENT, SERVER.publicKey, fixed(CLIENT_TRANSIENT)),
    stream: curveStream('server'),
  },
  (random, peer) => [asIs(greeting('CURVE', 1, 1)), asIs(serverWelcome()), sealed(1, someMetadata(random, peer)), ...someSealed(random)],
  curvePiece(serverWelcome, someMetadata),
)
