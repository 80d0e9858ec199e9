/** TCP: `tcp://host:port`. Nagle's delay is off. Wildcards and names mean IPv4 unless `ipv6` is set, as in libzmq. */

import { lookup } from 'node:dns'
import { lookup as lookUp } from 'node:dns/promises'
import { type AddressInfo, isIP, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type TcpAddress, tcpEndpoint } from './endpoint.ts'
import type { Listener, ListenHandler, Pipe, Transport, TransportOptions } from './pipe.ts'
import { dialStream, listenStream } from './stream-server.ts'

export const tcp: Transport<TcpAddress> = {
  async listen(address: TcpAddress, options: TransportOptions, handler: ListenHandler): Promise<Listener> {
    const host = await bindHost(address.host, options.ipv6)
    const where = { host, port: address.port, backlog: options.backlog }
    const listener = await listenStream({ ...where, ...keepAlive(options) }, remoteAddressOf, handler)
    const bound = listener.address as AddressInfo
    return { endpoint: tcpEndpoint(bound.address, bound.port), close: listener.close }
  },

  dial(address: TcpAddress, options: TransportOptions, signal: AbortSignal): Promise<Pipe> {
    return dialStream(
      {
        host: address.host,
        port: address.port,
        noDelay: true,
        ...keepAlive(options),
        // Asked anew for each try. All addresses of a name are tried, IPv4 first: most ZeroMQ servers listen there only.
        lookup: (name, lookupOptions, callback) => lookup(name, { ...lookupOptions, verbatim: false }, callback),
      },
      options.connectTimeoutMs,
      remoteAddressOf,
      signal,
    )
  },
}

/** An interface's name stands for its first address, any other name for what the system makes of it. */
async function bindHost(host: string, ipv6: boolean): Promise<string> {
  if (host === '*') return ipv6 ? '::' : '0.0.0.0'
  if (isIP(host.replace(/%.*$/, ''))) return host
  const addresses = networkInterfaces()[host]
  const first = addresses?.find(({ family }) => family === (ipv6 ? 'IPv6' : 'IPv4')) ?? addresses?.[0]
  return first?.address ?? (await lookUp(host, { family: ipv6 ? 0 : 4 })).address
}

function keepAlive({ tcpKeepaliveMs }: TransportOptions): { keepAlive: boolean; keepAliveInitialDelay: number } {
  return { keepAlive: tcpKeepaliveMs !== undefined, keepAliveInitialDelay: tcpKeepaliveMs ?? 0 }
}

function remoteAddressOf(socket: Socket): string {
  return tcpEndpoint(socket.remoteAddress ?? '?', socket.remotePort ?? 0)
}
