/** The base of all socket classes: endpoints, events, closing; and the two halves that most sockets have one or both of. */

import { SocketError } from '../errors.ts'
import type { Message, SocketType } from '../wire/index.ts'
import { type Context, context as defaultContext } from './context.ts'
import { mechanismNameOf } from './mechanism.ts'
import { type MessageLike, toMessage } from './message-like.ts'
import { guardOptionNames } from './misspelt-options.ts'
import { Observer } from './observer.ts'
import {
  assignOptions,
  COMMON_OPTIONS,
  type CommonOptions,
  DEFAULT_OPTIONS,
  defineOptions,
  OPTION_NAMES,
  RECEIVE_OPTIONS,
  type ReceiveOptions,
  SEND_OPTIONS,
  type SendOptions,
  type SocketOptionValues,
} from './options.ts'
import type { Pattern, PatternHost } from './pattern.ts'
import { Receives } from './receives.ts'
import { Sends } from './sends.ts'
import { SocketCore } from './socket-core.ts'
import { noDrops, type SocketStats } from './stats.ts'

/** What a socket's constructor takes: its options, and the context it belongs to. */
export type SocketOptions<O> = { [K in keyof O]?: O[K] | undefined } & { context?: Context | undefined }

// The options of a class are its interface of the same name: `defineOptions` puts a checked property on the prototype for each.
export interface Socket extends CommonOptions {}

/** A ZeroMQ socket; see its subclasses. All of them are Node's own code over {@link https://rfc.zeromq.org/spec/37/ | ZMTP 3.1}. */
export abstract class Socket {
  /** Whose `inproc://` names it uses. */
  readonly context: Context
  readonly #core: SocketCore
  readonly #drops = noDrops()
  #observer: Observer | undefined
  protected readonly receives: Receives
  protected readonly sends: Sends

  /** `makePattern` is given the socket itself, for its options: `this` is not there yet in a subclass's arguments. */
  protected constructor(type: SocketType, makePattern: (host: PatternHost, socket: object) => Pattern, options: object = {}) {
    const { context = defaultContext, ...rest } = options as { context?: Context }
    this.context = context
    const host: PatternHost = {
      readable: () => this.receives.readable(),
      writable: () => this.sends.writable(),
      dropped: (reason) => {
        this.#drops[reason]++
      },
    }
    const pattern = makePattern(host, this)
    this.receives = new Receives(pattern)
    this.sends = new Sends(pattern)
    assignOptions(this, rest)
    // Options that this kind of socket lacks have their defaults for the engine.
    const values = new Proxy(this, { get: (socket, name) => Reflect.get(name in socket ? socket : DEFAULT_OPTIONS, name, socket) })
    this.#core = new SocketCore(type, pattern, values as unknown as SocketOptionValues, context, (event) => {
      this.#observer?.emit(event)
      if (event.type === 'end') this.#observer?.close()
    })
  }

  /** What happens to its endpoints and connections, from the first look at this property on. */
  get events(): Observer {
    if (this.#observer === undefined) {
      this.#observer = new Observer()
      if (this.closed) this.#observer.close()
    }
    return this.#observer
  }

  /** The kind of socket, in libzmq's words: `DEALER`. */
  get type(): SocketType {
    return this.#core.type
  }

  /** True from the call of `close` on. */
  get closed(): boolean {
    return this.#core.closed
  }

  /** True when `receive` would give a message at once; false for sockets that cannot receive (ZMQ_EVENTS). */
  get readable(): boolean {
    return 'receive' in this && this.receives.ready
  }

  /** True when `send` would queue a message at once, or drop it; false for sockets that cannot send (ZMQ_EVENTS). */
  get writable(): boolean {
    return 'send' in this && this.sends.ready
  }

  /** The mechanism that the options ask for; null for none (ZMQ_MECHANISM). */
  get securityMechanism(): 'plain' | 'curve' | null {
    return mechanismNameOf(this)
  }

  /** The last endpoint that was bound or connected, with wildcards and port 0 resolved; null before (ZMQ_LAST_ENDPOINT). */
  get lastEndpoint(): string | null {
    return this.#core.lastEndpoint
  }

  /** How many connections there are, what they carried, and what was let go and why. Not in `zeromq`. */
  stats(): SocketStats {
    const { lost, ...stats } = this.#core.stats()
    return { ...stats, dropped: { ...this.#drops, lost } }
  }

  /**
   * Listens on an endpoint: `tcp://*:5555`, `tcp://[::1]:0`, `tcp://eth0:*`, `ipc:///run/a.sock`, `ipc://*`, `inproc://a`.
   *
   * @throws SocketError EADDRINUSE, EADDRNOTAVAIL, EACCES, ENODEV, ENOENT, EINVAL, EPROTONOSUPPORT, ENAMETOOLONG; EBADF once closed.
   */
  async bind(address: string): Promise<void> {
    await this.#core.bind(address)
  }

  /**
   * Stops listening, and ends the connections that came in there.
   *
   * @throws SocketError ENOENT for an endpoint that is not bound: after a wildcard or port 0 it wants `lastEndpoint`.
   */
  async unbind(address: string): Promise<void> {
    await this.#core.unbind(address)
  }

  /**
   * Starts to connect, and comes back by itself whenever the connection is lost. Messages may be sent at once.
   *
   * @throws SocketError EINVAL for an endpoint that can never work; one that nobody listens on yet is tried again.
   */
  connect(address: string): void {
    this.#core.connect(address)
  }

  /** Ends a connection for good. @throws SocketError ENOENT when it is not connected. */
  disconnect(address: string): void {
    void this.#core.disconnect(address)
  }

  /**
   * Closes the socket: waiting calls are rejected at once, unsent messages are written within `linger`. The promise, which
   * never rejects, resolves when nothing is left of it; there is no need to wait for it.
   */
  close(): Promise<void> {
    this.receives.close()
    this.sends.close()
    return this.#core.close(this.linger)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

defineOptions(Socket.prototype, COMMON_OPTIONS)
guardOptionNames(Socket.prototype, OPTION_NAMES)

/** What a socket gives that receives. */
export interface Readable<M extends Message = Message> extends ReceiveOptions {
  /**
   * The next message, as its frames. Several calls may wait: they are answered in order.
   *
   * @throws SocketError EAGAIN after `receiveTimeout`, or when the socket is closed meanwhile; EBADF once it is closed.
   */
  receive(): Promise<M>
  /** Messages as they come; ends when the socket is closed. Leaving the loop leaves the socket open. */
  [Symbol.asyncIterator](): AsyncIterator<M, undefined>
}

/** What a socket gives that sends. */
export interface Writable<M = MessageLike | MessageLike[]> extends SendOptions {
  /**
   * Queues a message; resolves as soon as it is queued. Frames of 2 KiB and more are not copied: leave them unchanged.
   * Several calls may wait for room (up to 1000): they go in order.
   *
   * @throws SocketError EINVAL for what is no message, or one of more than 4096 frames on the wire; EAGAIN after `sendTimeout`, EBUSY
   * when 1000 calls wait, EBADF once closed, and what the kind of socket adds.
   */
  send(message: M): Promise<void>
}

/** What a socket gives that receives and whose messages stand for themselves: all but REQ and REP. Not in `zeromq`. */
export interface BatchReadable<M extends Message = Message> extends Readable<M> {
  /**
   * All messages that are there, in the order in which `receive` would give them: at least one, for which it waits, and at
   * most `maxCount`. One promise for many messages: for those who want the last factor of speed.
   *
   * @param maxCount 1 or more; without it, there is no limit but the high-water marks
   * @throws SocketError as `receive`; EINVAL for a `maxCount` below 1
   */
  receiveMany(maxCount?: number): Promise<M[]>
}

/** What a socket gives that sends and whose messages stand for themselves: all but REQ and REP. Not in `zeromq`. */
export interface BatchWritable<M = MessageLike | MessageLike[]> extends Writable<M> {
  /**
   * Queues messages, in order, with nobody else's between them; resolves as soon as all are queued. Each is what `send` takes:
   * `['a', 'b']` are two messages of one frame, `[['a', 'b']]` is one of two.
   *
   * @throws SocketError as `send`, with `sent`: how many were queued before it failed. `sendTimeout` counts for the whole call.
   * What is no message, or has too many frames, is found before the first is sent.
   */
  sendMany(messages: readonly M[]): Promise<void>
}

export interface WritableSocket extends SendOptions {}

/** A socket that only sends. */
export abstract class WritableSocket extends Socket implements BatchWritable {
  send(message: MessageLike | MessageLike[]): Promise<void> {
    return sendOn(this.sends, message, this)
  }

  sendMany(messages: readonly (MessageLike | MessageLike[])[]): Promise<void> {
    return sendManyOn(this.sends, messages, this)
  }
}

defineOptions(WritableSocket.prototype, SEND_OPTIONS)

export interface ReadableSocket extends ReceiveOptions {}

/** A socket that only receives. */
export abstract class ReadableSocket extends Socket implements BatchReadable {
  receive(): Promise<Message> {
    return this.receives.receive(this)
  }

  receiveMany(maxCount: number = Number.POSITIVE_INFINITY): Promise<Message[]> {
    return this.receives.receiveMany(maxCount, this)
  }

  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return new Messages(this, this.receives)
  }
}

defineOptions(ReadableSocket.prototype, RECEIVE_OPTIONS)

export interface DuplexSocket extends SendOptions, ReceiveOptions {}

/** A socket that sends and receives. */
export abstract class DuplexSocket extends Socket implements Readable, Writable {
  send(message: MessageLike | MessageLike[]): Promise<void> {
    return sendOn(this.sends, message, this)
  }

  receive(): Promise<Message> {
    return this.receives.receive(this)
  }

  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return new Messages(this, this.receives)
  }
}

defineOptions(DuplexSocket.prototype, SEND_OPTIONS)
defineOptions(DuplexSocket.prototype, RECEIVE_OPTIONS)

/** A socket that sends and receives, each whenever it wants to. */
export abstract class FreeDuplexSocket extends DuplexSocket implements BatchReadable, BatchWritable {
  sendMany(messages: readonly (MessageLike | MessageLike[])[]): Promise<void> {
    return sendManyOn(this.sends, messages, this)
  }

  receiveMany(maxCount: number = Number.POSITIVE_INFINITY): Promise<Message[]> {
    return this.receives.receiveMany(maxCount, this)
  }
}

function sendOn(sends: Sends, message: MessageLike | MessageLike[], options: SendOptions): Promise<void> {
  try {
    return sends.send(toMessage(message), options)
  } catch (error) {
    return Promise.reject(error)
  }
}

function sendManyOn(sends: Sends, messages: readonly (MessageLike | MessageLike[])[], options: SendOptions): Promise<void> {
  try {
    return sends.sendMany(messages.map(toMessage), options)
  } catch (error) {
    if (error instanceof SocketError) error.sent = 0
    return Promise.reject(error)
  }
}

/** `for await` over a socket. A generator would cost three promises a message, this costs one while messages are there. */
class Messages implements AsyncIterator<Message, undefined> {
  readonly #socket: Socket & Readable
  readonly #receives: Receives

  constructor(socket: Socket & Readable, receives: Receives) {
    this.#socket = socket
    this.#receives = receives
  }

  next(): Promise<IteratorResult<Message, undefined>> {
    try {
      const value = this.#receives.take()
      if (value !== undefined) return Promise.resolve({ done: false, value })
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#socket.receive().then(toResult, (error: unknown) => {
      if (this.#socket.closed && error instanceof SocketError) return { done: true, value: undefined }
      throw error
    })
  }

  return(): Promise<IteratorResult<Message, undefined>> {
    return Promise.resolve({ done: true, value: undefined })
  }
}

function toResult(value: Message): IteratorResult<Message, undefined> {
  return { done: false, value }
}
