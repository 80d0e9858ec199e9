/** A TCP hop between two ends that can go dead as a lost network does: nothing passes, and nobody is told. */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class BreakableLink {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Connections that came in so far. */
  connections = 0

  private constructor(target: string) {
    const port = Number(new URL(target).port)
    this.#server = createServer((near) => {
      this.connections++
      const far = connect(port, '127.0.0.1')
      this.#join(near, far)
      this.#join(far, near)
    })
  }

  /** Listens, and joins what comes in to `target`. */
  static async to(target: string): Promise<BreakableLink> {
    const link = new BreakableLink(target)
    link.#server.listen(0, '127.0.0.1')
    await once(link.#server, 'listening')
    return link
  }

  get endpoint(): string {
    return `tcp://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** From now on nothing passes on the connections that there are. New ones work. */
  cut(): void {
    for (const socket of this.#sockets) {
      socket.removeAllListeners('data')
      socket.pause()
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from)
    from.on('data', (chunk) => to.write(chunk))
    from.on('error', () => {})
    from.on('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
  }
}
