/**
 * PLAIN: username and password in clear [RFC 24, as libzmq speaks it: names are not padded].
 *
 * ```
 * client HELLO userLength user passwordLength password     server WELCOME
 * client INITIATE metadata                                 server READY metadata
 * ```
 *
 * Who is client follows from the options (a username makes a client), not from who binds: a bound PUB with a username
 * sends HELLO. The client must not send INITIATE before WELCOME, and nothing may be said twice.
 */

import { ProtocolError } from '../../errors.ts'
import { type Command, encodeCommand } from '../command.ts'
import { decodeMetadata } from '../metadata.ts'
import { type AuthAnswer, decodeError, type HandshakeStep, type Mechanism, refusal, unexpected } from './mechanism.ts'

/** Longest username or password, bytes of UTF-8: the length travels in one byte. */
export const MAX_PLAIN_BYTES = 255

export class PlainClient implements Mechanism {
  readonly name = 'PLAIN'
  readonly asServer = false
  readonly #metadata: Buffer
  readonly #hello: Buffer
  #expects: 'WELCOME' | 'READY' = 'WELCOME'

  /** `username` and `password`: at most {@link MAX_PLAIN_BYTES} each, checked where the options are set. */
  constructor(metadata: Buffer, username: string, password: string) {
    this.#metadata = metadata
    this.#hello = encodeCommand('HELLO', shortString(username), shortString(password))
  }

  start(): Buffer {
    return this.#hello
  }

  receive(command: Command): HandshakeStep {
    if (command.name === 'ERROR') return decodeError(command.data)
    if (command.name !== this.#expects) throw unexpected(command, this.#expects)
    if (this.#expects === 'READY') return { name: 'ready', metadata: decodeMetadata(command.data) }
    if (command.data.length > 0) throw new ProtocolError('a WELCOME with something behind it')
    this.#expects = 'READY'
    return { name: 'continue', send: encodeCommand('INITIATE', this.#metadata) }
  }

  answer(): never {
    throw new Error('a PLAIN client asks nobody')
  }
}

export class PlainServer implements Mechanism {
  readonly name = 'PLAIN'
  readonly asServer = true
  readonly #metadata: Buffer
  #expects: 'HELLO' | 'nothing' | 'INITIATE' = 'HELLO'
  #username: string | undefined

  constructor(metadata: Buffer) {
    this.#metadata = metadata
  }

  start(): undefined {
    return undefined
  }

  receive(command: Command): HandshakeStep {
    if (command.name !== this.#expects) throw unexpected(command, this.#expects)
    if (this.#expects === 'INITIATE') {
      return { name: 'ready', metadata: decodeMetadata(command.data), send: encodeCommand('READY', this.#metadata) }
    }
    const [username, rest] = takeShortString(command.data)
    const [password, behind] = takeShortString(rest)
    if (behind.length > 0) throw new ProtocolError('a HELLO with something behind the password')
    this.#expects = 'nothing'
    this.#username = username
    return { name: 'authenticate', request: { mechanism: 'PLAIN', username, password } }
  }

  answer(answer: AuthAnswer): HandshakeStep {
    if (answer.status === 200) {
      this.#expects = 'INITIATE'
      return { name: 'continue', send: encodeCommand('WELCOME') }
    }
    return refusal(answer.status, this.#username)
  }
}

function shortString(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8')
  return Buffer.concat([Buffer.from([bytes.length]), bytes])
}

function takeShortString(data: Buffer): [text: string, rest: Buffer] {
  const length = data[0]
  if (length === undefined || 1 + length > data.length) throw new ProtocolError('a HELLO whose username or password is cut short')
  return [data.toString('utf8', 1, 1 + length), data.subarray(1 + length)]
}
