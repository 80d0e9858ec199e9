/** A peer of our sockets that is nothing but a TCP connection: it says what the test says, and may do wrong. */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket as NetSocket, type Server } from 'node:net'
import type { Socket } from '../../src/socket/index.ts'
import { greeting, ready } from '../unit/wire/helpers.ts'
import { event, type TestSockets } from './sockets.ts'

export interface RawFrame {
  flags: number
  body: Buffer
}

export class RawConnection {
  readonly socket: NetSocket
  /** Resolves when the other side is gone. */
  readonly closed: Promise<void>
  #chunks: Buffer[] = []
  #available = 0
  #wake: (() => void) | undefined
  #ended = false

  constructor(socket: NetSocket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#available += chunk.length
      this.#wake?.()
    })
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#ended = true
        this.#wake?.()
        resolve()
      })
    })
  }

  static async connect(endpoint: string): Promise<RawConnection> {
    const socket = connect(Number(new URL(endpoint).port), '127.0.0.1')
    await once(socket, 'connect')
    return new RawConnection(socket)
  }

  write(...parts: Buffer[]): void {
    this.socket.write(Buffer.concat(parts))
  }

  /** @throws when the other side goes first. */
  async read(length: number): Promise<Buffer> {
    while (this.#available < length) {
      if (this.#ended) throw new Error('the other side is gone')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const first = this.#chunks[0]
    const all = this.#chunks.length === 1 || (first !== undefined && first.length >= length) ? first : Buffer.concat(this.#chunks)
    if (all === undefined) return Buffer.alloc(0)
    if (all !== first) this.#chunks = [all]
    this.#chunks[0] = all.subarray(length)
    if (this.#chunks[0].length === 0) this.#chunks.shift()
    this.#available -= length
    return all.subarray(0, length)
  }

  async readFrame(): Promise<RawFrame> {
    const flags = (await this.read(1)).readUInt8(0)
    const length = flags & 2 ? Number((await this.read(8)).readBigUInt64BE(0)) : (await this.read(1)).readUInt8(0)
    return { flags, body: await this.read(length) }
  }

  /** A NULL handshake, to its end. */
  async handshake(type: string, routingId?: string): Promise<void> {
    this.write(greeting('NULL'), ready(type, routingId))
    await this.read(64)
    await this.readFrame()
  }

  close(): void {
    this.socket.destroy()
  }
}

export class RawServer {
  readonly endpoint: string
  readonly #server: Server
  readonly #connections: RawConnection[] = []
  #taken = 0
  #wake: (() => void) | undefined

  private constructor(server: Server) {
    this.#server = server
    this.endpoint = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('connection', (socket) => {
      this.#connections.push(new RawConnection(socket))
      this.#wake?.()
    })
  }

  static async listen(port = 0): Promise<RawServer> {
    const server = createServer()
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return new RawServer(server)
  }

  /** Connections that came in so far. */
  get connections(): number {
    return this.#connections.length
  }

  async accept(): Promise<RawConnection> {
    while (this.#taken >= this.#connections.length) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#connections[this.#taken++] as RawConnection
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.close()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** A raw connection to a socket that is bound, which has taken it; closed when the test ends. */
export async function strangerAt({ defer }: TestSockets, socket: Socket): Promise<RawConnection> {
  const accepted = event(socket, 'accept')
  const raw = await RawConnection.connect(socket.lastEndpoint as string)
  defer(() => raw.close())
  await accepted
  return raw
}
