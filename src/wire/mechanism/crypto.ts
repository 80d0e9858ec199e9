/**
 * NaCl's `crypto_box`, which is all the cryptography that CURVE needs [RFC 26]: key agreement by X25519 (`node:crypto`),
 * encryption and authentication by XSalsa20-Poly1305 (`@noble/ciphers`, which OpenSSL does not have).
 *
 * The library is loaded by {@link loadCrypto}, not by importing this file: sockets without CURVE do not pay for it.
 */

import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto'
import type * as Salsa from '@noble/ciphers/salsa.js'
import { ProtocolError } from '../../errors.ts'

/** Length of a key, public or secret, in bytes. */
export const KEY_BYTES = 32
/** Length of the authenticator that a box has before the encrypted bytes. */
export const TAG_BYTES = 16
export const NONCE_BYTES = 24

/** An X25519 key pair; the secret half stays in the key object. */
export interface KeyPair {
  readonly publicKey: Buffer
  readonly privateKey: KeyObject
}

let salsa: typeof Salsa | undefined

/** To be awaited once before the first {@link Box} is made. */
export async function loadCrypto(): Promise<void> {
  salsa ??= await import('@noble/ciphers/salsa.js')
}

/** What PKCS #8 puts before an X25519 secret key [RFC 8410]. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex')

/** The key pair of a secret key of {@link KEY_BYTES} bytes. */
export function keyPairOf(secretKey: Buffer): KeyPair {
  return toKeyPair(createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, secretKey]), format: 'der', type: 'pkcs8' }))
}

/** `privateKey`: of type x25519. */
export function toKeyPair(privateKey: KeyObject): KeyPair {
  const { x } = privateKey.export({ format: 'jwk' })
  return { publicKey: Buffer.from(x as string, 'base64url'), privateKey }
}

/** The words of "expand 32-byte k", which Salsa20 puts between those of the key. */
const SIGMA = words(Buffer.from('expand 32-byte k'))

/** A shared key of two parties: what the one seals, the other opens, under the same nonce. Never use a nonce twice. */
export class Box {
  readonly #library: typeof Salsa
  readonly #key: Uint8Array

  /** NaCl's `crypto_box_beforenm`. @throws ProtocolError for a public key that leaves nothing secret. */
  constructor(ours: KeyPair, theirs: Buffer) {
    if (salsa === undefined) throw new Error('loadCrypto comes first')
    // X25519 does not look at the highest bit, and nobody's key has it set: a key has one way to be written.
    if (((theirs[KEY_BYTES - 1] as number) & 0x80) !== 0) throw new ProtocolError('a public key is not valid')
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: theirs.toString('base64url') }, format: 'jwk' })
    let shared: Buffer
    try {
      shared = diffieHellman({ privateKey: ours.privateKey, publicKey })
    } catch (cause) {
      // A point of low order: the result would be zero whatever our secret key is [RFC 7748, section 6.1].
      throw new ProtocolError('a public key is not valid', { cause })
    }
    const key = new Uint32Array(8)
    salsa.hsalsa(SIGMA, words(shared), new Uint32Array(4), key)
    this.#library = salsa
    this.#key = new Uint8Array(key.buffer)
  }

  seal(nonce: Buffer, plain: Buffer): Buffer {
    return this.sealWithRoom(nonce, plain).subarray(TAG_BYTES)
  }

  /** As {@link seal}, with 16 bytes before the box that are the caller's to fill: the cipher needs that space anyway. */
  sealWithRoom(nonce: Buffer, plain: Buffer): Buffer {
    const output = Buffer.allocUnsafe(2 * TAG_BYTES + plain.length)
    this.#library.xsalsa20poly1305(this.#key, nonce).encrypt(plain, output)
    return output
  }

  /** What was sealed; undefined when it was not sealed with this key and nonce, or was changed. */
  open(nonce: Buffer, sealed: Buffer): Buffer | undefined {
    if (sealed.length < TAG_BYTES) return undefined
    const output = Buffer.allocUnsafe(2 * TAG_BYTES + sealed.length)
    try {
      this.#library.xsalsa20poly1305(this.#key, nonce).decrypt(sealed, output)
    } catch {
      return undefined
    }
    return output.subarray(3 * TAG_BYTES)
  }
}

function words(bytes: Buffer): Uint32Array {
  return new Uint32Array(new Uint8Array(bytes).buffer)
}
