/**
 * inproc between the threads of a process: a name that is bound in one is found from every other.
 *
 * Threads tell each other on a broadcast channel what they have bound and what they look for. Whoever connects makes a
 * message port and hands its other end to the thread that has the name; a {@link Bridge} at each end stands in for the far
 * peer. To the sockets it is a peer like any other: types are checked, high-water marks hold, reconnecting works.
 *
 * Needs `postMessageToThread` (Node 20.19, 22.5 or later): before those, inproc stays within a thread.
 */

import * as workerThreads from 'node:worker_threads'
import { BroadcastChannel, isMainThread, MessageChannel, type MessagePort, threadId } from 'node:worker_threads'
import type { Message, SocketType } from '../wire/index.ts'
import { InprocPeer } from './inproc.ts'
import type { InprocRegistry } from './inproc-registry.ts'
import type { Peer, PeerHandler } from './peer.ts'

const CHANNEL = 'zmq-rpc:inproc'
const CALLING = 'zmq-rpc:inproc:calling'

/** Messages that may be under way on a port: beyond them they wait in the sender's outbox, under its high-water mark. */
const WINDOW = 256

/** Not in the types of Node 20. */
const postMessageToThread = (
  workerThreads as { postMessageToThread?: (thread: number, value: unknown, transfer: MessagePort[]) => Promise<void> }
).postMessageToThread

/** On the broadcast channel. */
type Announcement = { kind: 'bound' | 'sought'; name: string; thread: number }

/** To the thread that has bound a name: here is somebody who connects. */
interface Calling {
  kind: typeof CALLING
  name: string
  port: MessagePort
  self: Description
}

/** A socket, as the far end needs to know it. */
interface Description {
  socketType: SocketType
  routingId: Uint8Array
  properties: [string, Uint8Array][]
}

/** On a port. */
type Item =
  | { kind: 'hello'; self: Description }
  | { kind: 'messages'; messages: Uint8Array[][] }
  /** So many messages have been taken. */
  | { kind: 'taken'; count: number }
  | { kind: 'subscription'; subscribe: boolean; topic: Uint8Array }

export class InprocThreads {
  readonly #registry: InprocRegistry
  #channel: BroadcastChannel | undefined

  constructor(registry: InprocRegistry) {
    this.#registry = registry
  }

  /** A name was bound here, or is looked for here; or that has ended. */
  changed(): void {
    if (postMessageToThread === undefined) return
    const wanted = this.#registry.busy
    if (wanted && this.#channel === undefined) this.#open()
    else if (!wanted && this.#channel !== undefined) this.#close()
  }

  bound(name: string): void {
    this.#announce('bound', name)
  }

  sought(name: string): void {
    this.#announce('sought', name)
  }

  #open(): void {
    const channel = new BroadcastChannel(CHANNEL)
    channel.onmessage = (event) => this.#heard((event as { data: Announcement }).data)
    // A worker whose only sockets are these would end before anybody finds them; the main thread ends with its workers.
    if (isMainThread) channel.unref()
    this.#channel = channel
    process.on('workerMessage' as never, this.#called as never)
  }

  #close(): void {
    this.#channel?.close()
    this.#channel = undefined
    process.off('workerMessage', this.#called)
  }

  #announce(kind: 'bound' | 'sought', name: string): void {
    this.#channel?.postMessage({ kind, name, thread: threadId } satisfies Announcement)
  }

  #heard({ kind, name, thread }: Announcement): void {
    if (kind === 'sought') {
      if (this.#registry.accepting(name) !== undefined) this.#announce('bound', name)
      return
    }
    for (const peer of this.#registry.takeWaiting(name)) this.#call(thread, name, peer)
  }

  /** Connects a waiting peer of this thread to a name of another. */
  #call(thread: number, name: string, peer: InprocPeer): void {
    const { port1, port2 } = new MessageChannel()
    // When the other thread has ended, or the name is gone, the port closes, and the peer waits again.
    const bridge = new Bridge(port1, {
      hello: (self) => {
        // Its socket may have closed it since it was called for: then there is nobody to join, or to wait again.
        if (peer.finished) port1.close()
        else InprocPeer.join(bridge.stand(peer.endpoint, false, self), peer)
      },
      failed: () => {
        if (!peer.finished) this.#registry.connect(name, peer)
      },
    })
    const calling: Calling = { kind: CALLING, name, port: port2, self: describe(peer) }
    void postMessageToThread?.(thread, calling, [port2]).catch(() => port1.close())
  }

  /** A peer of another thread connects to a name of this one. */
  readonly #called = (value: unknown): void => {
    const calling = value as Partial<Calling> | null
    if (calling?.kind !== CALLING) return
    const { name, port, self } = calling as Calling
    const accept = this.#registry.accepting(name)
    if (accept === undefined) return port.close()
    accept(new Bridge(port, {}).stand(`inproc://${name}`, true, self))
  }
}

/** One end of a port, in the place of the far peer: what the near peer sends goes to the port, and the other way round. */
class Bridge implements PeerHandler {
  readonly #port: MessagePort
  readonly #events: { hello?: (self: Description) => void; failed?: () => void }
  #peer: InprocPeer | undefined
  /** Messages of the near peer that go with the next item. */
  #outgoing: Uint8Array[][] = []
  #underWay = 0
  /** Messages of the far peer that the near one has no room for yet. */
  #incoming: Message[] = []

  constructor(port: MessagePort, events: { hello?: (self: Description) => void; failed?: () => void }) {
    this.#port = port
    this.#events = events
    port.on('message', (item: Item) => this.#take(item))
    port.on('close', () => {
      if (this.#peer === undefined) this.#events.failed?.()
      else this.#peer.disconnect(new Error('the other thread closed the connection'))
    })
  }

  /** The peer that stands in for the far one. */
  stand(endpoint: string, connecting: boolean, { socketType, routingId, properties }: Description): InprocPeer {
    const own = properties.map(([name, value]) => [name, Buffer.from(value)] as const)
    const limits = { sendHighWaterMark: WINDOW, receiveHighWaterMark: 0, maxQueueBytes: 0, conflate: false }
    const nobody = { connected: () => {}, disconnected: () => this.#port.close(), refused: () => this.#port.close() }
    // It never comes back by itself: the far end does, with a new port.
    this.#peer = new InprocPeer(
      endpoint,
      connecting,
      { socketType, routingId: Buffer.from(routingId), properties: own, ...limits },
      this,
      nobody,
    )
    return this.#peer
  }

  // ── PeerHandler: what the near peer does ────────────────────────────────────────────────────────────────────────────

  ready(peer: Peer): void {
    const near = peer.info
    if (near === undefined || this.#events.hello !== undefined) return
    const properties = [...near.metadata].map(([name, value]): [string, Uint8Array] => [name, new Uint8Array(value)])
    this.#post({ kind: 'hello', self: { socketType: near.socketType, routingId: new Uint8Array(near.routingId), properties } })
  }

  message(peer: Peer, message: Message): void {
    if (this.#outgoing.length === 0) process.nextTick(() => this.#flush())
    // In a memory of its own: a port sends all of the memory that a view belongs to.
    this.#outgoing.push(message.map((frame) => new Uint8Array(frame)))
    this.#underWay++
    if (this.#underWay >= WINDOW) peer.pause()
  }

  subscription(_peer: Peer, subscribe: boolean, topic: Buffer): void {
    this.#flush()
    this.#post({ kind: 'subscription', subscribe, topic: new Uint8Array(topic) })
  }

  writable(): void {
    this.#deliver()
  }

  lost(): void {
    this.#flush()
    this.#port.close()
  }

  // ── What the far peer does ──────────────────────────────────────────────────────────────────────────────────────────

  #take(item: Item): void {
    switch (item.kind) {
      case 'hello':
        return this.#events.hello?.(item.self)
      case 'messages':
        for (const message of item.messages) this.#incoming.push(message.map((frame) => Buffer.from(frame.buffer)))
        return this.#deliver()
      case 'taken':
        this.#underWay -= item.count
        if (this.#underWay < WINDOW) this.#peer?.resume()
        return
      case 'subscription':
        return this.#peer?.sendSubscription(item.subscribe, Buffer.from(item.topic))
      default:
        item satisfies never
    }
  }

  #deliver(): void {
    const peer = this.#peer
    if (peer === undefined) return
    let count = 0
    for (const message of this.#incoming) {
      if (!peer.send(message)) break
      count++
    }
    if (count === 0) return
    this.#incoming = this.#incoming.slice(count)
    this.#post({ kind: 'taken', count })
  }

  #flush(): void {
    if (this.#outgoing.length === 0) return
    const messages = this.#outgoing
    this.#outgoing = []
    this.#post(
      { kind: 'messages', messages },
      messages.flatMap((message) => message.map((frame) => frame.buffer as ArrayBuffer)),
    )
  }

  #post(item: Item, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(item, transfer)
  }
}

function describe(peer: InprocPeer): Description {
  const { socketType, routingId, properties } = peer.options
  return { socketType, routingId: new Uint8Array(routingId), properties: properties.map(([name, value]) => [name, new Uint8Array(value)]) }
}
