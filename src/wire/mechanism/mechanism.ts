/**
 * A security mechanism: the commands between greeting and traffic [RFC 37, Security Mechanisms].
 *
 * A mechanism is a pure state machine. It is given each command of the peer and answers with one step; where the
 * application has to decide, the step is `authenticate` and the handshake waits for the answer. It checks its own
 * grammar; the metadata it carries is judged by the connection.
 */

import { ProtocolError } from '../../errors.ts'
import { type Command, decodeCommand, encodeCommand } from '../command.ts'
import type { Metadata } from '../metadata.ts'

/** What a client shows to be let in. */
export type AuthRequest =
  | { readonly mechanism: 'PLAIN'; readonly username: string; readonly password: string }
  /** `publicKey` as 40 characters of Z85, proven: the client has the secret key that goes with it. */
  | { readonly mechanism: 'CURVE'; readonly publicKey: string }

/**
 * The application's answer, after ZAP [RFC 27]: in (200), silently away so that the client tries again (300), refused
 * (400), or our own failure (500). `user` is whatever the application wants to know the peer by.
 */
export type AuthAnswer = { readonly status: 200; readonly user: unknown } | { readonly status: 300 | 400 | 500 }

export type HandshakeStep =
  /** Go on; `send` is the body of a command. */
  | { readonly name: 'continue'; readonly send?: Buffer }
  | { readonly name: 'authenticate'; readonly request: AuthRequest }
  /** The handshake is over once `send` is on its way; `codec` changes all frames from then on. */
  | { readonly name: 'ready'; readonly metadata: Metadata; readonly send?: Buffer; readonly codec?: FrameCodec }
  /** The handshake failed; `send` is an ERROR command that the peer should still hear. */
  | { readonly name: 'failed'; readonly error: ProtocolError | AuthRefused; readonly send?: Buffer }

/** What a mechanism makes of the frames of traffic, where it does not leave them as they are. */
export interface FrameCodec {
  /** Bytes that a body grows by. */
  readonly overhead: number
  /** The body of the message frame in which this frame travels. `flags`: MORE or COMMAND, or both left out. */
  seal(flags: number, body: Buffer): Buffer
  /** @throws ProtocolError for anything that {@link seal} of the peer did not make, or made before. */
  open(frame: Buffer): OpenedFrame
}

export interface OpenedFrame {
  /** MORE, COMMAND, both or neither. */
  readonly flags: number
  readonly body: Buffer
}

export interface Mechanism {
  /** As it stands in the greeting. */
  readonly name: 'NULL' | 'PLAIN' | 'CURVE'
  readonly asServer: boolean
  /** The command we speak first, once the peer's greeting is there; `undefined` where the peer has the first word. */
  start(): Buffer | undefined
  /** @throws ProtocolError for anything that does not belong here. */
  receive(command: Command): HandshakeStep
  /** The answer to an `authenticate` step. */
  answer(answer: AuthAnswer): HandshakeStep
  /** What it means when the peer closes the connection now; undefined when it could mean anything. */
  readonly reasonIfClosedNow?: ProtocolError | undefined
}

/** One of these is made for each connection. */
export type MechanismFactory = (metadata: Buffer) => Mechanism

/** One side did not let the other in. `status` as in ZAP: 300 come again, 400 wrong credentials, 500 internal. */
export class AuthRefused extends ProtocolError {
  readonly status: number
  /** True when the peer refused us, false when we refused the peer. */
  readonly byPeer: boolean

  /** `username`: of the peer, where it showed one. It comes from afar: in the text it is quoted, and what cannot be printed is escaped. */
  constructor(status: number, byPeer: boolean, username?: string) {
    const whose = username === undefined ? "the peer's credentials" : `the credentials of user ${JSON.stringify(username)}`
    super(byPeer ? `the peer refused the credentials (${status})` : `${whose} were refused (${status})`, {}, 'AUTH_REFUSED')
    this.status = status
    this.byPeer = byPeer
  }
}

/**
 * An ERROR of the peer: `reasonLength(1) reason`. libzmq's reason is a ZAP status in digits.
 *
 * @throws ProtocolError when the lengths do not agree.
 */
export function decodeError(data: Buffer): HandshakeStep {
  const length = data[0]
  if (length === undefined || length !== data.length - 1) throw new ProtocolError('an ERROR command with a wrong length')
  const reason = data.toString('latin1', 1)
  if (/^[345]00$/.test(reason)) return { name: 'failed', error: new AuthRefused(Number(reason), true) }
  return {
    name: 'failed',
    error: new ProtocolError(`the peer ended the handshake: ${reason.replace(/[^ -~]/g, '?') || 'no reason given'}`),
  }
}

/** We do not let the peer in. */
export function refusal(status: 300 | 400 | 500, username?: string): HandshakeStep {
  const error = new AuthRefused(status, false, username)
  // 300 means "come again": an ERROR would end a libzmq client for good, so it hears nothing [RFC 27].
  if (status === 300) return { name: 'failed', error }
  return { name: 'failed', error, send: encodeCommand('ERROR', Buffer.from(`\x03${status}`, 'latin1')) }
}

export function unexpected(command: Command, expected: string): ProtocolError {
  const name = command.name.slice(0, 32).replace(/[^ -~]/g, '?')
  const why = name === 'HELLO' && expected === 'WELCOME' ? ': both sides show a password or keys, and one of them has to ask for these' : ''
  return new ProtocolError(`the peer sent ${name} where ${expected} belongs${why}`)
}

/**
 * libzmq since 4.3.0 misspells the ERROR of PLAIN: the C literal "\x05ERROR" reads as one byte 5E and "RROR", which is a
 * name cut short by our grammar.
 */
const MISSPELT_ERROR = Buffer.from('\x5eRROR', 'latin1')

/** Reads a command of a handshake, an ERROR in both spellings. */
export function decodeHandshakeCommand(body: Buffer): Command {
  if (body.length > MISSPELT_ERROR.length && body.subarray(0, MISSPELT_ERROR.length).equals(MISSPELT_ERROR)) {
    return { name: 'ERROR', data: body.subarray(MISSPELT_ERROR.length) }
  }
  return decodeCommand(body)
}
