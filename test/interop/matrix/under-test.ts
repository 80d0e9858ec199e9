/** A foreign implementation, what is known about it, and sockets of it and of ours that are joined. */

import { afterAll, beforeAll } from 'vitest'
import * as ours from '../../../src/socket/index.ts'
import { decodeZ85 } from '../../../src/wire/index.ts'
import type { TypeName } from '../../helpers/pairings.ts'
import { type Peer, peer } from '../../helpers/peers.ts'
import { type TestSockets, useSockets } from '../../helpers/sockets.ts'
import { type PeerOptions, PeerProcess, type PeerSocket } from './peer-process.ts'

export type Mechanism = 'NULL' | 'PLAIN' | 'CURVE'

/** What becomes of messages through the peer's own fault. A field that is left out: whatever it is. */
export interface Fault {
  readonly why: string
  /** The peer's socket. */
  readonly type?: TypeName
  readonly ours?: TypeName
  readonly mechanism?: Mechanism
  readonly peerBinds?: boolean
  /** What comes of the messages of these shapes. */
  readonly outcomes: Readonly<Record<string, string>>
}

/**
 * What is known about an implementation. Each of the texts says why something is not as it should be; then what happens
 * instead is asserted, so that a test fails once the implementation gets better.
 */
export interface UnderTest {
  readonly name: 'jeromq' | 'go-zmq4' | 'zmq-rs' | 'pyzmqrpc3'
  readonly lacks?: readonly TypeName[]
  /** Besides NULL. */
  readonly mechanisms?: readonly Mechanism[]
  readonly faults?: readonly Fault[]
  /** Its `send` does not wait for a connection, but fails with this. */
  readonly notConnected?: string
  /** Its XPUB gives the application no subscriptions. */
  readonly muteXPublisher?: string
  /** Now and then it connects and then says nothing. */
  readonly mutelyConnects?: string
  /** Its server lets everybody in. */
  readonly trustsEveryone?: string
  /** Whoever binds is the server, whatever the options say. */
  readonly serverMustBind?: string
  /** Topics must be text. */
  readonly textTopics?: string
  /** It does not answer PING, but does this. */
  readonly noHeartbeats?: { readonly why: string; readonly instead: 'silence' | 'end' }
  /** Its sockets, but for those named, do not connect again when they have lost a server. */
  readonly connectsOnce?: { readonly why: string; readonly but: readonly TypeName[] }
}

type Classes = { readonly [T in TypeName]: (typeof ours)[T] }
const CLASSES: Classes = ours

const [SERVER, CLIENT] = [ours.curveKeyPair(), ours.curveKeyPair()]

export interface Ends {
  readonly mine: object
  readonly theirs: PeerOptions
}

/** Options of both ends; `wrong`: the client has other keys, or another password, than the server lets in. */
export function security(mechanism: Mechanism, peerIsServer: boolean, wrong = false): Ends {
  if (mechanism === 'NULL') return { mine: {}, theirs: {} }
  if (mechanism === 'PLAIN') {
    const password = wrong ? 'wrong' : 'secret'
    if (peerIsServer) return { mine: { plainUsername: 'pi', plainPassword: password }, theirs: { 'plain-server': ['pi', 'secret'] } }
    const authenticate = (request: ours.AuthRequest): ours.AuthAnswer =>
      request.mechanism === 'PLAIN' && request.password === 'secret' ? { status: 200, user: request.username } : { status: 400 }
    return { mine: { plainServer: true, authenticate }, theirs: { 'plain-client': ['pi', password] } }
  }
  const client = wrong ? ours.curveKeyPair() : CLIENT
  if (peerIsServer) {
    return {
      mine: { curveServerKey: SERVER.publicKey, curveSecretKey: client.secretKey },
      theirs: { 'curve-server': [raw(SERVER.publicKey), raw(SERVER.secretKey), raw(CLIENT.publicKey)] },
    }
  }
  const authenticate = (request: ours.AuthRequest): ours.AuthAnswer =>
    request.mechanism === 'CURVE' && request.publicKey === CLIENT.publicKey ? { status: 200, user: 'pi' } : { status: 400 }
  return {
    mine: { curveServer: true, curveSecretKey: SERVER.secretKey, authenticate },
    theirs: { 'curve-client': [raw(SERVER.publicKey), raw(client.publicKey), raw(client.secretKey)] },
  }
}

function raw(key: string): Buffer {
  return decodeZ85(key) as Buffer
}

export interface Link<S extends ours.Socket = ours.Socket> {
  readonly my: S
  readonly their: PeerSocket
}

/** How long a connection of {@link UnderTest.mutelyConnects} is waited for before another one is tried. */
const MUTE_MS = 700

/** To be made once for each group of tests; it has one process of the peer for all of them. */
export class Bench {
  readonly under: UnderTest
  readonly use: TestSockets
  readonly #found: Peer
  #process: PeerProcess | undefined

  constructor(under: UnderTest) {
    this.under = under
    this.#found = peer(under.name)
    this.use = useSockets()
    beforeAll(() => {
      if (this.#found.available) this.#process = this.#spawn()
    })
    afterAll(() => this.#process?.close())
  }

  /** Another process, for one test. */
  start(): PeerProcess {
    const process = this.#spawn()
    this.use.defer(() => process.kill())
    return process
  }

  #spawn(): PeerProcess {
    return new PeerProcess(this.#found.command, this.under.notConnected)
  }

  my<T extends TypeName>(type: T, options: object = {}): InstanceType<Classes[T]> {
    return this.use.open<ours.Socket, object>(CLASSES[type], options) as InstanceType<Classes[T]>
  }

  /** A socket of the peer; closed when the test ends. */
  their(type: TypeName, options: PeerOptions = {}, process = this.#process as PeerProcess): PeerSocket {
    const socket = process.open(type, options)
    this.use.defer(() => socket.close().catch(() => {}))
    return socket
  }

  /** One of each, joined; `their` is called for every socket of the peer before it is joined. */
  async link<T extends TypeName>(
    [myType, myOptions]: readonly [T, object?],
    [theirType, theirOptions]: readonly [TypeName, PeerOptions?],
    { peerBinds, endpoint = 'tcp://127.0.0.1:0' }: { peerBinds: boolean; endpoint?: string },
  ): Promise<Link<InstanceType<Classes[T]>>> {
    for (;;) {
      const [my, their] = [this.my(myType, myOptions), this.their(theirType, theirOptions)]
      const [bound, connecting] = peerBinds ? [their, my] : [my, their]
      await bound.bind(endpoint)
      connecting.connect(bound.lastEndpoint as string)
      if (peerBinds || this.under.mutelyConnects === undefined || (await shakesHands(my))) return { my, their }
      await unlink({ my, their })
    }
  }
}

function shakesHands(socket: ours.Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), MUTE_MS)
    socket.events.on('handshake', () => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}

export async function unlink({ my, their }: Link): Promise<void> {
  my.linger = 0
  await Promise.all([my.close(), their.close()])
}
