/** Joins two sockets: what comes in at one goes out at the other, both ways where both can [libzmq: zmq_proxy]. */

import { SocketError } from '../errors.ts'
import type { Message } from '../wire/index.ts'
import type { Readable, Socket, Writable } from './socket.ts'

type Direction = { from: Socket & Readable; to: Socket & Writable }

/**
 * A proxy between two sockets, to be bound and connected before `run`: Router and Dealer for requests, XSubscriber and
 * XPublisher for publications, Pull and Push for work.
 *
 * Messages wait where they came in while the other side has no room, so high-water marks hold across the proxy. What the other
 * side can never send is let go: with more than 4096 frames, or a subscription to a topic of more than 65,526 bytes.
 */
// biome-ignore lint/suspicious/noShadowRestrictedNames: the name that the zeromq package gives it
export class Proxy<F extends Socket = Socket, B extends Socket = Socket> {
  /** The socket that it was given first. */
  readonly frontEnd: F
  /** The socket that it was given second. */
  readonly backEnd: B
  readonly #capture: (Socket & Writable) | undefined
  #state: 'new' | 'running' | 'terminated' = 'new'
  /** Set while it is paused. */
  #resumed: { promise: Promise<void>; resolve(): void } | undefined
  /** Messages that were taken when it was paused already, and where each goes. */
  readonly #held = new Map<Socket & Writable, Message>()

  /** `capture` (not in `zeromq`) is sent a copy of every message; a message that it has no room for is not captured. */
  constructor(frontEnd: F, backEnd: B, capture?: Socket & Writable) {
    this.frontEnd = frontEnd
    this.backEnd = backEnd
    this.#capture = capture
    if (capture !== undefined) capture.sendTimeout = 0
  }

  /**
   * Forwards until `terminate`, or until one of the sockets is closed; then both are closed, and it resolves.
   *
   * @throws SocketError EINVAL when it ran before, or when nothing could ever be forwarded.
   */
  async run(): Promise<void> {
    if (this.#state !== 'new') throw new SocketError('EINVAL', { text: 'a proxy runs once: make a new one' })
    const directions = [direction(this.frontEnd, this.backEnd), direction(this.backEnd, this.frontEnd)].filter(
      (found) => found !== undefined,
    )
    if (directions.length === 0)
      throw new SocketError('EINVAL', { text: `nothing goes from ${this.frontEnd.type} to ${this.backEnd.type}` })
    this.#state = 'running'
    await Promise.all(directions.map((found) => this.#forward(found).finally(() => this.terminate())))
  }

  /** Stops forwarding until `resume`; messages wait in the sockets. */
  pause(): void {
    if (this.#resumed !== undefined) return
    let resolve: () => void = () => {}
    const promise = new Promise<void>((resolved) => {
      resolve = resolved
    })
    this.#resumed = { promise, resolve }
  }

  /** Forwards again after `pause`. */
  resume(): void {
    this.#resumed?.resolve()
    this.#resumed = undefined
  }

  /** Ends `run`, and closes both sockets; what it has taken is sent within their `linger`, but for what waits for room there. */
  terminate(): void {
    this.#state = 'terminated'
    for (const [to, message] of this.#held) this.#hand(to, message).catch(() => {})
    this.#held.clear()
    this.resume()
    void this.frontEnd.close()
    void this.backEnd.close()
  }

  async #forward({ from, to }: Direction): Promise<void> {
    for await (const message of from) {
      if (this.#resumed !== undefined) {
        this.#held.set(to, message)
        while (this.#resumed !== undefined) await this.#resumed.promise
        // Sent by `terminate` itself, when it is no longer there.
        if (!this.#held.delete(to)) return
      }
      try {
        await this.#hand(to, message)
      } catch (error) {
        if (this.#state === 'terminated' || to.closed) return
        // Peers decide what it has to carry: what cannot be sent (a topic, or an envelope, over the limit) must not end it.
        if (error instanceof SocketError && error.code === 'EINVAL') continue
        throw error
      }
    }
  }

  #hand(to: Socket & Writable, message: Message): Promise<void> {
    if (this.#capture !== undefined) this.#copy(this.#capture, message)
    return to.send(message)
  }

  /** A full capture socket must not hold up the proxy. */
  #copy(capture: Socket & Writable, message: Message): void {
    capture.send([...message]).catch(() => {})
  }
}

function direction(from: Socket, to: Socket): Direction | undefined {
  const reads = 'receive' in from ? (from as Socket & Readable) : undefined
  const writes = 'send' in to ? (to as Socket & Writable) : undefined
  return reads === undefined || writes === undefined ? undefined : { from: reads, to: writes }
}
