/** CURVE for tests: the conversations that `test/interop/python/make-curve-vectors.py` worked out, and peers that are not random. */

import { readFileSync } from 'node:fs'
import { Box, type KeyPair, keyPairOf as keyPairOfSecret } from '../../../src/wire/mechanism/crypto.ts'
import { CurveClient, type CurveRandom, CurveServer } from '../../../src/wire/mechanism/curve.ts'
import type { AuthAnswer } from '../../../src/wire/mechanism/mechanism.ts'
import { bytes, greeting, naiveFrame, Recorder, type RecorderOptions } from './helpers.ts'

interface VectorText {
  name: string
  clientPublic: string
  clientSecret: string
  serverPublic: string
  serverSecret: string
  clientTransientSecret: string
  serverTransientSecret: string
  cookie: string
  welcomeNonce: string
  vouchNonce: string
  clientMetadata: string
  serverMetadata: string
  hello: string
  welcome: string
  initiate: string
  ready: string
  messages: { from: 'client' | 'server'; flags: number; body: string; sealed: string }[]
}

export type Vector = { name: string } & { [K in Exclude<keyof VectorText, 'name' | 'messages'>]: Buffer } & {
  messages: { from: 'client' | 'server'; flags: number; body: Buffer; sealed: Buffer }[]
}

const keyPairs = new Map<string, KeyPair>()

/** Made once for each secret: that takes longer than all else in a handshake. */
export function keyPairOf(secret: Buffer): KeyPair {
  const name = secret.toString('hex')
  const pair = keyPairs.get(name) ?? keyPairOfSecret(secret)
  keyPairs.set(name, pair)
  return pair
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

export const VECTORS: readonly Vector[] = JSON.parse(readFileSync(new URL('curve-vectors.json', import.meta.url), 'utf8')).map(
  ({ name, messages, ...rest }: VectorText) => ({
    name,
    ...Object.fromEntries(Object.entries(rest).map(([key, text]) => [key, hex(text)])),
    messages: messages.map(({ body, sealed, ...message }) => ({ ...message, body: hex(body), sealed: hex(sealed) })),
  }),
)

/** The first: a DEALER that calls a ROUTER. */
export const V = VECTORS[0] as Vector

/** Gives what it is told to, in this order. @throws when it is asked for anything else. */
export function fixed(keyPair: KeyPair, ...given: Buffer[]): CurveRandom {
  return {
    keyPair: () => keyPair,
    bytes: (length) => {
      const next = given.shift()
      if (next?.length !== length) throw new Error(`${length} bytes were not expected to be asked for`)
      return next
    },
  }
}

export function clientOf(vector: Vector, metadata = vector.clientMetadata, serverKey = vector.serverPublic): CurveClient {
  const random = fixed(keyPairOf(vector.clientTransientSecret), vector.vouchNonce)
  return new CurveClient(metadata, keyPairOf(vector.clientSecret), serverKey, random)
}

export function serverOf(vector: Vector, metadata = vector.serverMetadata): CurveServer {
  const random = fixed(keyPairOf(vector.serverTransientSecret), vector.welcomeNonce, vector.cookie)
  return new CurveServer(metadata, keyPairOf(vector.serverSecret), random)
}

export const LET_IN = (): AuthAnswer => ({ status: 200, user: 'somebody' })

/** The client of the vector, as a whole connection that says as the vector does. */
export function clientRecorder(options: RecorderOptions = {}): Recorder {
  return new Recorder({ type: 'DEALER', mechanism: (metadata) => clientOf(V, metadata), ...options })
}

export function serverRecorder(options: RecorderOptions = {}): Recorder {
  return new Recorder({ type: 'ROUTER', mechanism: (metadata) => serverOf(V, metadata), answer: LET_IN, ...options })
}

/** What a client says to {@link serverRecorder}, to the end of the handshake. */
export const CLIENT_SAYS = bytes(greeting('CURVE'), naiveFrame(4, V.hello), naiveFrame(4, V.initiate))
/** What a server says to {@link clientRecorder}. */
export const SERVER_SAYS = bytes(greeting('CURVE', 1, 1), naiveFrame(4, V.welcome), naiveFrame(4, V.ready))

/** The server after its handshake, with its output and log emptied. */
export function serverInTraffic(options: RecorderOptions = {}): Recorder {
  return emptied(serverRecorder(options).hear(CLIENT_SAYS))
}

export function clientInTraffic(options: RecorderOptions = {}): Recorder {
  return emptied(clientRecorder(options).hear(SERVER_SAYS))
}

function emptied(recorder: Recorder): Recorder {
  if (recorder.connection.state !== 'traffic') throw new Error(`no traffic: ${recorder.last}`)
  recorder.said()
  recorder.log.length = 0
  return recorder
}

/** Seals and opens the MESSAGEs of one side of {@link V}, whatever the rules. */
export class Sealer {
  readonly #box = new Box(keyPairOf(V.clientTransientSecret), keyPairOf(V.serverTransientSecret).publicKey)
  readonly #side: 'C' | 'S'
  counter: number

  constructor(side: 'client' | 'server') {
    this.#side = side === 'client' ? 'C' : 'S'
    this.counter = side === 'client' ? 2 : 1
  }

  /** The body of a MESSAGE, under the next counter. */
  seal(flags: number, ...body: (string | Buffer)[]): Buffer {
    this.counter++
    const counter = Buffer.alloc(8)
    counter.writeBigUInt64BE(BigInt(this.counter))
    const box = this.#box.seal(this.#nonce(counter), bytes(Buffer.from([flags]), ...body))
    return bytes('07"MESSAGE"', counter, box)
  }

  /** The frame of a MESSAGE. */
  frame(flags: number, ...body: (string | Buffer)[]): Buffer {
    return naiveFrame(0, this.seal(flags, ...body))
  }

  /** What stands in the MESSAGE frames of a stream that this side wrote: inner flags and bodies. */
  open(stream: Buffer): string[] {
    const opened: string[] = []
    for (let offset = 0; offset < stream.length; ) {
      const long = (stream.readUInt8(offset) & 2) !== 0
      const outer = stream.readUInt8(offset) & ~2
      const size = long ? Number(stream.readBigUInt64BE(offset + 1)) : stream.readUInt8(offset + 1)
      const start = offset + (long ? 9 : 2)
      const body = stream.subarray(start, start + size)
      const plain = this.#box.open(this.#nonce(body.subarray(8, 16)), body.subarray(16))
      if (body.toString('latin1', 0, 8) !== '\x07MESSAGE' || plain === undefined) throw new Error('this is no MESSAGE of this side')
      opened.push(`${outer} ${plain.readUInt8(0)} ${plain.toString('latin1', 1)}`)
      offset = start + size
    }
    return opened
  }

  #nonce(counter: Buffer): Buffer {
    return bytes(`"CurveZMQMESSAGE${this.#side}"`, counter)
  }
}
