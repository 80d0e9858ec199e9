/** A pipe over a stream of `node:net`: TCP and ipc are the same from here on. */

import type { Socket } from 'node:net'
import type { Pipe, PipeHandler } from './pipe.ts'

/**
 * What the stream may hold unwritten before it says so. Kept small: messages wait in the socket's own queue, where the
 * high-water mark counts them.
 */
export const STREAM_HIGH_WATER_MARK = 128 * 1024

/** The pipe of a stream: listeners find it here, so that they are the same functions for all. */
const PIPE = Symbol('pipe')

interface PipedSocket extends Socket {
  [PIPE]?: StreamPipe
}

export class StreamPipe implements Pipe {
  readonly remoteAddress: string
  readonly #socket: Socket
  #handler: PipeHandler | undefined
  #error: Error | undefined
  #closed = false

  constructor(socket: Socket, remoteAddress: string) {
    this.#socket = socket
    this.remoteAddress = remoteAddress
    ;(socket as PipedSocket)[PIPE] = this
    // From the first moment on: an error without a listener would end the process.
    socket.on('error', onError)
    socket.on('end', onEnd)
    socket.on('close', onClose)
  }

  get bytesReceived(): number {
    return this.#socket.bytesRead
  }

  get bytesSent(): number {
    return this.#socket.bytesWritten
  }

  open(handler: PipeHandler): void {
    this.#handler = handler
    if (this.#closed) return queueMicrotask(() => handler.onClosed(this.#error))
    this.#socket.on('drain', onDrain)
    this.#socket.on('data', onData)
  }

  /** Only for the listeners below. */
  get handler(): PipeHandler | undefined {
    return this.#handler
  }

  /** Only for the listeners below. */
  failed(error: Error): void {
    this.#error = error
  }

  /** Only for the listeners below: nothing comes any more. */
  finish(): void {
    if (this.#closed) return
    this.#closed = true
    this.#handler?.onClosed(this.#error)
  }

  write(buffers: readonly Buffer[]): boolean {
    const socket = this.#socket
    if (buffers.length === 1) {
      socket.write(buffers[0] as Buffer)
    } else {
      socket.cork()
      for (const buffer of buffers) socket.write(buffer)
      socket.uncork()
    }
    // What the system took at once is no reason to wait, however much it was.
    return socket.writableLength === 0 || !socket.writableNeedDrain
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.destroySoon()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

function onError(this: PipedSocket, error: Error): void {
  this[PIPE]?.failed(error)
}

/** Whatever we would still write is lost, as with libzmq. Told at once, so that messages wait for the next connection. */
function onEnd(this: PipedSocket): void {
  this.destroy()
  this[PIPE]?.finish()
}

function onClose(this: PipedSocket): void {
  this[PIPE]?.finish()
}

function onDrain(this: PipedSocket): void {
  this[PIPE]?.handler?.onDrained()
}

function onData(this: PipedSocket, chunk: Buffer): void {
  this[PIPE]?.handler?.onData(chunk)
}
