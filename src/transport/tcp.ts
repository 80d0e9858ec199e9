/** TCP: `tcp://host:port`. Nagle's delay is off. Wildcards and names mean IPv4 unless `ipv6` is set, as in libzmq. */

import { lookup } from 'node:dns'
import type { AddressInfo, Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type TcpAddress, tcpEndpoint } from './endpoint.ts'
import type { Listener, ListenHandler, Pipe, Transport, TransportOptions } from './pipe.ts'
import { dialStream, listenStream } from './stream-server.ts'

export const tcp: Transport<TcpAddress> = {
  async listen(address: TcpAddress, options: TransportOptions, handler: ListenHandler): Promise<Listener> {
    const host = bindHost(address.host, options.ipv6)
    const listener = await listenStream({ host, port: address.port, backlog: options.backlog }, remoteAddressOf, {
      accepted: handler.accepted,
      failed: handler.failed,
    })
    const bound = listener.address as AddressInfo
    return { endpoint: tcpEndpoint(bound.address, bound.port), close: listener.close }
  },

  dial(address: TcpAddress, options: TransportOptions, signal: AbortSignal): Promise<Pipe> {
    return dialStream(
      {
        host: address.host,
        port: address.port,
        noDelay: true,
        keepAlive: options.tcpKeepaliveMs !== undefined,
        keepAliveInitialDelay: options.tcpKeepaliveMs ?? 0,
        // Asked anew for each try. All addresses of a name are tried, IPv4 first: most ZeroMQ servers listen there only.
        lookup: (name, lookupOptions, callback) => lookup(name, { ...lookupOptions, verbatim: false }, callback),
      },
      options.connectTimeoutMs,
      remoteAddressOf,
      signal,
    )
  },
}

/** An interface's name stands for its first address; names are left to the system. */
function bindHost(host: string, ipv6: boolean): string {
  if (host === '*') return ipv6 ? '::' : '0.0.0.0'
  const addresses = networkInterfaces()[host]
  if (addresses === undefined) return host
  const first = addresses.find(({ family }) => family === (ipv6 ? 'IPv6' : 'IPv4')) ?? addresses[0]
  return first?.address ?? host
}

function remoteAddressOf(socket: Socket): string {
  return tcpEndpoint(socket.remoteAddress ?? '?', socket.remotePort ?? 0)
}
