/**
 * Who answers at an address: connects, says no more than "ZMTP 3", and looks at the 64 bytes of the greeting that comes back. Which
 * security a peer is set up for stands in them, before anything else is said. [RFC 37, Greeting]
 */

import { connect, type NetConnectOpts, type Socket } from 'node:net'

/** Signature and major version: whoever reads them sends all of its greeting, and waits for the rest of ours. */
const OPENING = Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3])
const GREETING_BYTES = 64

export type Probed =
  /** `mechanism`: NULL, PLAIN, CURVE. */
  | { readonly kind: 'zeromq'; readonly version: string; readonly mechanism: string }
  /** It speaks ZeroMQ's protocol before version 3. */
  | { readonly kind: 'old' }
  /** Something else answered: what it might be, and how it began. */
  | { readonly kind: 'stranger'; readonly guess: string; readonly beginning: string }
  | { readonly kind: 'silent' }
  | { readonly kind: 'closed' }

/** Connects. @throws the error of the system, or one with the code ETIMEDOUT */
export function open(to: NetConnectOpts, timeoutMs: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...to, signal } as NetConnectOpts)
    const timer = setTimeout(() => socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })), timeoutMs)
    socket.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.removeAllListeners('error')
      // It is only looked at from now on: that it breaks is an answer, too.
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}

/** Ends the connection when it knows. Never rejects. */
export function probe(socket: Socket, timeoutMs: number): Promise<Probed> {
  return new Promise((resolve) => {
    let came = Buffer.alloc(0)
    const end = (probed: Probed): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(probed)
    }
    const timer = setTimeout(() => end(came.length === 0 ? { kind: 'silent' } : judge(came)), timeoutMs)
    socket.on('data', (chunk) => {
      came = Buffer.concat([came, chunk])
      if (came.length >= GREETING_BYTES || came[0] !== 0xff) end(judge(came))
    })
    socket.on('close', () => end(came.length === 0 ? { kind: 'closed' } : judge(came)))
    socket.write(OPENING)
  })
}

/** What these bytes are the beginning of. */
export function judge(bytes: Buffer): Probed {
  const beginning = bytes.toString('latin1', 0, 40).replace(/[^ -~]+/g, '·')
  if (bytes[0] !== 0xff || (bytes.length > 9 && ((bytes[9] as number) & 1) === 0))
    return { kind: 'stranger', guess: guess(bytes), beginning }
  if (bytes.length > 10 && (bytes[10] as number) < 3) return { kind: 'old' }
  if (bytes.length < GREETING_BYTES)
    return { kind: 'stranger', guess: 'ZeroMQ, it seems, that stopped in the middle of its greeting', beginning }
  return {
    kind: 'zeromq',
    version: `${bytes[10]}.${bytes[11]}`,
    mechanism: bytes
      .toString('latin1', 12, 32)
      .replace(/\0+$/, '')
      .replace(/[^ -~]/g, '?'),
  }
}

function guess(bytes: Buffer): string {
  const text = bytes.toString('latin1', 0, 200)
  if (text.startsWith('HTTP/')) return 'an HTTP server'
  if (text.startsWith('SSH-')) return 'an SSH server'
  if (/^220[ -]/.test(text)) return 'a mail or FTP server'
  if (text.startsWith('INFO {')) return 'a NATS server'
  if (text.startsWith('-ERR')) return 'Redis, it seems'
  if (bytes[0] === 0x15 && bytes[1] === 3) return 'a server that wants TLS'
  return 'no ZeroMQ peer'
}
