/**
 * The way from an address to the transport that carries it, for those who bind and connect.
 *
 * `zmq-rpc/testing` puts a network in memory in place of the real ones, for as long as a test lasts; nothing else may.
 */

import type { IpcAddress, TcpAddress } from './endpoint.ts'
import { ipc } from './ipc.ts'
import type { Listener, ListenHandler, Pipe, Transport, TransportOptions } from './pipe.ts'
import { tcp } from './tcp.ts'

export interface Transports {
  readonly tcp: Transport<TcpAddress>
  readonly ipc: Transport<IpcAddress>
}

const REAL: Transports = { tcp, ipc }

let current = REAL

/** Only for `zmq-rpc/testing`: what is bound or dialled from now on goes over these; undefined for the real ones again. */
export function replaceTransports(transports: Transports | undefined): void {
  current = transports ?? REAL
}

export function listen(address: TcpAddress | IpcAddress, options: TransportOptions, handler: ListenHandler): Promise<Listener> {
  return address.transport === 'tcp' ? current.tcp.listen(address, options, handler) : current.ipc.listen(address, options, handler)
}

export function dial(address: TcpAddress | IpcAddress, options: TransportOptions, signal: AbortSignal): Promise<Pipe> {
  return address.transport === 'tcp' ? current.tcp.dial(address, options, signal) : current.ipc.dial(address, options, signal)
}
