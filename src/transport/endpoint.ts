/** Endpoints: `tcp://host:port`, `ipc://path`, `inproc://name`, checked here and nowhere else. */

import { isIP, isIPv4, isIPv6 } from 'node:net'
import { SocketError } from '../errors.ts'

export interface TcpAddress {
  readonly transport: 'tcp'
  /** An address, a name, an interface, or `*`. Without brackets. */
  readonly host: string
  /** 0 for a port of the system's choice (bind only). */
  readonly port: number
}

export interface IpcAddress {
  readonly transport: 'ipc'
  /** A path, or `*` for one of our choice (bind only). */
  readonly path: string
}

export interface InprocAddress {
  readonly transport: 'inproc'
  readonly name: string
}

export type Address = TcpAddress | IpcAddress | InprocAddress

/** What fits into `sun_path` with its closing zero (Linux; macOS has 4 bytes less and says so itself). */
const MAX_IPC_PATH_BYTES = 107

/**
 * @throws SocketError EINVAL for an endpoint that is not valid for this use, EPROTONOSUPPORT for another transport,
 * ENAMETOOLONG for an ipc path over 107 bytes.
 */
export function parseEndpoint(endpoint: string, use: 'bind' | 'connect'): Address {
  const match = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(String(endpoint))
  if (match === null) throw invalid(endpoint, "an endpoint looks like 'tcp://host:port', 'ipc://path' or 'inproc://name'")
  const [, transport = '', rest = ''] = match
  switch (transport) {
    case 'tcp':
      return parseTcp(endpoint, rest, use)
    case 'ipc':
      return parseIpc(endpoint, rest, use)
    case 'inproc':
      if (rest === '') throw invalid(endpoint, 'an inproc endpoint needs a name')
      return { transport: 'inproc', name: rest }
    default:
      throw new SocketError('EPROTONOSUPPORT', { text: `'${endpoint}' (tcp, ipc and inproc are)`, address: endpoint })
  }
}

/** A TCP endpoint as text, with brackets where they belong. */
export function tcpEndpoint(host: string, port: number): string {
  // Joined and not concatenated: each connection keeps one, and a text that was put together keeps its parts.
  return ['tcp://', isIPv6(host) ? `[${host}]` : host, ':', port].join('')
}

/**
 * Whose connection it is, as far as a TCP endpoint tells: its IPv4 address, or the /64 network of its IPv6 address, since one host
 * may have all of that. Undefined for other transports.
 */
export function originOf(remoteAddress: string): string | undefined {
  const [, address = ''] = /^tcp:\/\/\[?([^\]]*?)(?:%[^\]]*)?\]?:\d+$/.exec(remoteAddress) ?? []
  if (isIPv4(address)) return address
  if (!isIPv6(address)) return undefined
  const [, mapped] = /^::ffff:([\d.]+)$/i.exec(address) ?? []
  if (mapped !== undefined) return mapped
  const [head = '', tail = ''] = address.split('::')
  const [first, last] = [head, tail].map((half) => (half === '' ? [] : half.split(':'))) as [string[], string[]]
  const zeros = address.includes('::') ? Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0') : []
  const network = [...first, ...zeros, ...last].slice(0, 4)
  return `${network.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}

function parseTcp(endpoint: string, rest: string, use: 'bind' | 'connect'): TcpAddress {
  const match = /^(?:\[([^\]]+)\]|([^:[\]/]+)):(\*|\d+)$/.exec(rest)
  if (match === null) throw invalid(endpoint, "a tcp endpoint is 'tcp://host:port', with an IPv6 address in brackets")
  const [, bracketed, plain = '', portText = ''] = match
  if (bracketed !== undefined && !isIP(bracketed.replace(/%.*$/, ''))) throw invalid(endpoint, 'brackets are for an IPv6 address')
  const host = bracketed ?? plain
  const port = portText === '*' ? 0 : Number(portText)
  // libzmq lets 99999 wrap to 34463.
  if (port > 65535) throw invalid(endpoint, 'a port is 1 to 65535')
  if (use === 'connect') {
    if (port === 0) throw invalid(endpoint, 'connecting needs a port from 1 to 65535')
    if (host === '*') throw invalid(endpoint, "connecting needs a host; '*' is for bind")
  }
  return { transport: 'tcp', host, port }
}

function parseIpc(endpoint: string, path: string, use: 'bind' | 'connect'): IpcAddress {
  if (path === '') throw invalid(endpoint, 'an ipc endpoint needs a path')
  if (path.includes('\0')) throw invalid(endpoint, 'an ipc path cannot hold a zero byte')
  if (path === '*' && use === 'connect') throw invalid(endpoint, "connecting needs a path; '*' is for bind")
  // Node before 22 pads abstract names to 108 bytes, libzmq does not: the two would never meet (nodejs/node#50889).
  if (path.startsWith('@')) throw invalid(endpoint, 'abstract ipc names do not work with Node and libzmq together: use a path')
  if (Buffer.byteLength(path) > MAX_IPC_PATH_BYTES) {
    throw new SocketError('ENAMETOOLONG', { text: `'${endpoint}' (107 bytes are allowed)`, address: endpoint })
  }
  return { transport: 'ipc', path }
}

function invalid(endpoint: string, text: string): SocketError {
  return new SocketError('EINVAL', { text: `'${endpoint}': ${text}`, address: endpoint })
}
