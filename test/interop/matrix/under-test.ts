/** A foreign implementation, what is known about it, and sockets of it and of ours that are joined. */

import { afterAll, beforeAll } from 'vitest'
import * as ours from '../../../src/socket/index.ts'
import { decodeZ85 } from '../../../src/wire/index.ts'
import type { TypeName } from '../../helpers/pairings.ts'
import { type Peer, peer } from '../../helpers/peers.ts'
import { event, type TestSockets, useSockets } from '../../helpers/sockets.ts'
import { type PeerOptions, PeerProcess, type PeerSocket, within } from './peer-process.ts'

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
  /** Its DEALER and PUSH send every message to all connections. */
  readonly sendsToAll?: string
  /** Now and then it connects and then says nothing. */
  readonly mutelyConnects?: string
  /** Its server lets everybody in. */
  readonly trustsEveryone?: string
  /** Whoever binds is the server, whatever the options say. */
  readonly serverMustBind?: string
  /** Topics must be text. */
  readonly textTopics?: string
  /** It does not answer PING; its application is told this instead. */
  readonly noHeartbeats?: { readonly why: string; readonly told: string }
  /** Its sockets, but for those named, do not connect again when they have lost a server. */
  readonly connectsOnce?: { readonly why: string; readonly but: readonly TypeName[] }
  /** What is sent while the server is away is lost, and a `receive` that waits meanwhile fails with this. */
  readonly losesServers?: { readonly why: string; readonly told: string }
  /** Its ipc is something else than sockets of the file system. */
  readonly otherIpc?: string
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
const MUTE_MS = 500

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

  /** One of each, joined: connecting, or, where that is asked for, connected as far as ours knows. */
  async link<T extends TypeName>(
    [myType, myOptions]: readonly [T, object?],
    [theirType, theirOptions]: readonly [TypeName, PeerOptions?],
    { peerBinds, endpoint = 'tcp://127.0.0.1:0', ready = false }: { peerBinds: boolean; endpoint?: string; ready?: boolean },
  ): Promise<Link<InstanceType<Classes[T]>>> {
    const my = this.my(myType, myOptions)
    if (!peerBinds) {
      await my.bind(endpoint)
      return { my, their: await this.arrive(my, () => this.their(theirType, theirOptions), ready) }
    }
    const their = this.their(theirType, theirOptions)
    await their.bind(endpoint)
    const shakesHands = event(my, 'handshake')
    my.connect(their.lastEndpoint as string)
    if (ready) await within(shakesHands)
    return { my, their }
  }

  /** A socket of the peer that connects to ours; `ready`: is connected, as far as ours knows. */
  async arrive(my: ours.Socket, open: () => PeerSocket, ready = true): Promise<PeerSocket> {
    for (;;) {
      const their = open()
      const shakesHands = event(my, 'handshake')
      their.connect(my.lastEndpoint as string)
      if (this.under.mutelyConnects === undefined) {
        if (ready) await within(shakesHands)
        return their
      }
      const isThere = await within(shakesHands, MUTE_MS).then(
        () => true,
        () => false,
      )
      if (isThere) return their
      await their.close()
    }
  }
}

export async function unlink({ my, their }: Link): Promise<void> {
  my.linger = 0
  await Promise.all([my.close(), their.close()])
}
