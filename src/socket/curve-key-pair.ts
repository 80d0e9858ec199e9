/** Keys for CURVE, as text. */

import { generateKeyPairSync } from 'node:crypto'
import { SocketError } from '../errors.ts'
import { decodeZ85, encodeZ85, KEY_BYTES, keyPairOf, toKeyPair } from '../wire/index.ts'

/** Two keys that belong together, each as 40 characters of Z85. */
export interface CurveKeyPair {
  /** For everybody to know. */
  publicKey: string
  /** For nobody else to know. */
  secretKey: string
}

/** A new key pair: for `curvePublicKey` and `curveSecretKey`, and the public one for the peer's `curveServerKey`. */
export function curveKeyPair(): CurveKeyPair {
  const { publicKey, privateKey } = toKeyPair(generateKeyPairSync('x25519').privateKey)
  const { d } = privateKey.export({ format: 'jwk' })
  return { publicKey: encodeZ85(publicKey), secretKey: encodeZ85(Buffer.from(d as string, 'base64url')) }
}

/**
 * The public key that belongs to a secret key (zmq_curve_public). Not in `zeromq`.
 *
 * @throws SocketError EINVAL for what is no key.
 */
export function curvePublicKey(secretKey: string): string {
  const bytes = decodeKey(secretKey)
  if (bytes === undefined) throw new SocketError('EINVAL', { text: `the secret key is not ${KEY_FORM}` })
  return encodeZ85(keyPairOf(bytes).publicKey)
}

/** What a key looks like, for error texts: these never show the key. */
export const KEY_FORM = 'a CURVE key of 40 characters of Z85'

/** The bytes of a key; undefined for what is none. */
export function decodeKey(key: unknown): Buffer | undefined {
  return typeof key === 'string' && key.length === (KEY_BYTES / 4) * 5 ? decodeZ85(key) : undefined
}
