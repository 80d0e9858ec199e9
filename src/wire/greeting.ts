/**
 * The 64 bytes each side sends first [RFC 37, Greeting]:
 *
 * | offset | bytes | meaning                                                       |
 * | ------ | ----- | ------------------------------------------------------------- |
 * | 0      | `FF`  | signature                                                     |
 * | 1–8    |       | padding, ignored (libzmq puts a length there)                 |
 * | 9      | `7F`  | signature; only the low bit is looked at, as libzmq does      |
 * | 10     | `03`  | major version: below 3 is refused, above goes on as 3.1       |
 * | 11     | `01`  | minor version: 0 means that subscriptions travel as messages  |
 * | 12–31  |       | mechanism, padded with NUL                                    |
 * | 32     | 0/1   | as-server, ignored: libzmq always sends 0                     |
 * | 33–63  |       | filler, ignored                                               |
 *
 * ZMTP 1.0 and 2.0 are not spoken: a downgrade would also go round every password.
 * Bytes are judged as they come, so an HTTP or TLS client is turned away at its first byte.
 */

import { ProtocolError } from '../errors.ts'

export const GREETING_BYTES = 64

const SIGNATURE_BYTES = 10
/** Signature and version stand before it. */
export const MECHANISM_OFFSET = 12
const MECHANISM_BYTES = 20

/** What a peer's greeting says. */
export interface Greeting {
  /** 0 for libzmq 4.0 to 4.3.2, whose subscriptions are messages; else 1. */
  minor: 0 | 1
}

export function encodeGreeting(mechanism: string, asServer: boolean): Buffer {
  const bytes = Buffer.alloc(GREETING_BYTES)
  bytes[0] = 0xff
  bytes[9] = 0x7f
  bytes[10] = 3
  bytes[11] = 1
  bytes.write(mechanism, MECHANISM_OFFSET, 'latin1')
  bytes[32] = asServer ? 1 : 0
  return bytes
}

/** A greeting with another mechanism than ours: the peers are set up differently, which no retry mends. */
export class MechanismMismatch extends ProtocolError {}

/**
 * The peer went away between its signature and its mechanism. libzmq does so when it reads another mechanism than its own,
 * and hardly anybody does for another reason; but a peer that just ends may, too.
 */
export class GreetingCutShort extends ProtocolError {}

/** Takes a greeting in pieces of any size. */
export class GreetingDecoder {
  readonly #bytes = Buffer.alloc(GREETING_BYTES)
  readonly #mechanism: string
  #filled = 0

  /** `mechanism` is the one we speak: the peer's must be the same. */
  constructor(mechanism: string) {
    this.#mechanism = mechanism
  }

  /**
   * Returns how many bytes of the chunk belong to the greeting; {@link greeting} is there once it is complete.
   *
   * @throws ProtocolError as soon as a byte shows that this is no ZMTP 3 peer.
   */
  push(chunk: Buffer): number {
    const from = this.#filled
    const taken = chunk.copy(this.#bytes, from, 0, GREETING_BYTES - from)
    this.#filled = from + taken
    const came = (offset: number): boolean => offset >= from && offset < this.#filled
    if (came(0) && this.#bytes[0] !== 0xff) throw new ProtocolError('this is no ZeroMQ peer: its first byte is not FF')
    if (came(9) && ((this.#bytes[9] as number) & 1) === 0) throw new ProtocolError('this is no ZeroMQ peer: the signature is wrong')
    if (came(10) && (this.#bytes[10] as number) < 3) {
      throw new ProtocolError(`the peer speaks ZMTP ${this.#bytes[10]}, which is too old (libzmq before 4.0): 3.0 or newer is needed`)
    }
    if (came(MECHANISM_OFFSET + MECHANISM_BYTES - 1)) this.#checkMechanism()
    return taken
  }

  get greeting(): Greeting | undefined {
    if (this.#filled < GREETING_BYTES) return undefined
    return { minor: this.#bytes[10] === 3 && this.#bytes[11] === 0 ? 0 : 1 }
  }

  /** What it means when the peer closes the connection now; undefined when it could mean anything. */
  get cutShort(): GreetingCutShort | undefined {
    if (this.#filled < SIGNATURE_BYTES || this.#filled > MECHANISM_OFFSET) return undefined
    return new GreetingCutShort(
      `the peer closed the connection in the middle of its greeting, as libzmq does to a mechanism (here ${this.#mechanism}) that is not its own: ` +
        'set a username and password (PLAIN) or keys (CURVE) on both sides, or on neither',
    )
  }

  #checkMechanism(): void {
    const field = this.#bytes.toString('latin1', MECHANISM_OFFSET, MECHANISM_OFFSET + MECHANISM_BYTES)
    if (field === this.#mechanism.padEnd(MECHANISM_BYTES, '\0')) return
    const theirs = field.replace(/\0+$/, '').replace(/[^ -~]/g, '?')
    throw new MechanismMismatch(
      `the peer uses mechanism ${theirs || '(none)'}, this socket ${this.#mechanism}: ` +
        'set a username and password (PLAIN) or keys (CURVE) on both sides, or on neither',
    )
  }
}
