/** What every byte transport gives: a two-way pipe. Transports move bytes and know no socket. */

/** Told what a pipe brings; set before the first byte is read. */
export interface PipeHandler {
  onData(chunk: Buffer): void
  /** After a `write` that returned false: there is room again. */
  onDrained(): void
  /** The last call. `error` says why, when it was no orderly end by the far side. */
  onClosed(error: Error | undefined): void
}

export interface Pipe {
  /** Where the far end is, as an endpoint: `tcp://192.168.1.4:41234`. */
  readonly remoteAddress: string
  /** So far, in all. */
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Starts reading. */
  open(handler: PipeHandler): void
  /** Takes the buffers, in order, as one write; they must not change afterwards. False: wait for `onDrained`. */
  write(buffers: readonly Buffer[]): boolean
  /** Stops and starts reading: the far end is slowed down by the transport itself. */
  pause(): void
  resume(): void
  /** Closes once everything written is with the operating system; `onClosed` follows. */
  end(): void
  /** Closes at once; `onClosed` follows. */
  destroy(): void
}

export interface TransportOptions {
  /** Waiting connections the operating system keeps (ZMQ_BACKLOG). */
  backlog: number
  /** IPv6 for wildcards and names (ZMQ_IPV6); literal addresses always work. */
  ipv6: boolean
  /** Milliseconds to establish a connection (ZMQ_CONNECT_TIMEOUT); 0 for the operating system's own limit. */
  connectTimeoutMs: number
  /** TCP keep-alive: idle milliseconds before the first probe; undefined for off (ZMQ_TCP_KEEPALIVE, ..._IDLE). */
  tcpKeepaliveMs: number | undefined
}

export interface Listener {
  /** The endpoint as bound: wildcards and port 0 resolved. */
  readonly endpoint: string
  close(): Promise<void>
}

export interface ListenHandler {
  accepted(pipe: Pipe): void
  failed(error: Error): void
}

/** A transport that carries bytes. Addresses have been parsed by `endpoint.ts`. */
export interface Transport<A> {
  listen(address: A, options: TransportOptions, handler: ListenHandler): Promise<Listener>
  /** Resolves when the far end is there. Aborting the signal rejects. */
  dial(address: A, options: TransportOptions, signal: AbortSignal): Promise<Pipe>
}
