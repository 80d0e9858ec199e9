/**
 * Which security mechanism a socket's options ask for.
 *
 * Roles follow from the options, not from who binds, as in libzmq: a username makes a PLAIN client, a server's key a CURVE
 * client. CURVE goes before PLAIN, and the server before the client, when more than one is set.
 */

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { SocketError } from '../errors.ts'
import {
  CurveClient,
  type CurveRandom,
  CurveServer,
  type KeyPair,
  keyPairOf,
  loadCrypto,
  type MechanismFactory,
  NullMechanism,
  PlainClient,
  PlainServer,
  toKeyPair,
} from '../wire/index.ts'
import { decodeKey } from './curve-key-pair.ts'
import type { CommonOptions } from './options.ts'

const RANDOM: CurveRandom = {
  keyPair: () => toKeyPair(generateKeyPairSync('x25519').privateKey),
  bytes: randomBytes,
}

export interface MechanismChoice {
  readonly mechanism: MechanismFactory
  /** To be awaited before the first mechanism is made: gets what only CURVE needs. */
  readonly load?: () => Promise<void>
}

/** What {@link mechanismOf} will choose, whether the keys are there or not. */
export function mechanismNameOf(options: Readonly<CommonOptions>): 'plain' | 'curve' | null {
  if (options.curveServer || options.curveServerKey !== null) return 'curve'
  return options.plainServer || options.plainUsername !== null || options.plainPassword !== null ? 'plain' : null
}

/** @throws SocketError EINVAL for CURVE without the keys it needs. */
export function mechanismOf(options: Readonly<CommonOptions>): MechanismChoice {
  const { curveServer, curveServerKey, plainServer, plainUsername, plainPassword } = options
  if (curveServer) {
    const own = ownKeys(options, 'curveServer')
    return { mechanism: (metadata) => new CurveServer(metadata, own, RANDOM), load: loadCrypto }
  }
  if (curveServerKey !== null) {
    const own = ownKeys(options, 'curveServerKey')
    const serverKey = decodeKey(curveServerKey) as Buffer
    return { mechanism: (metadata) => new CurveClient(metadata, own, serverKey, RANDOM), load: loadCrypto }
  }
  if (plainServer) return { mechanism: (metadata) => new PlainServer(metadata) }
  if (plainUsername !== null || plainPassword !== null) {
    return { mechanism: (metadata) => new PlainClient(metadata, plainUsername ?? '', plainPassword ?? '') }
  }
  return { mechanism: (metadata) => new NullMechanism(metadata) }
}

/** The public key may be left out: it follows from the secret one. */
function ownKeys({ curveSecretKey, curvePublicKey }: Readonly<CommonOptions>, because: string): KeyPair {
  const secretKey = decodeKey(curveSecretKey)
  if (secretKey === undefined) throw new SocketError('EINVAL', { text: `${because} is set, which needs curveSecretKey, too` })
  const own = keyPairOf(secretKey)
  if (curvePublicKey !== null && !own.publicKey.equals(decodeKey(curvePublicKey) as Buffer)) {
    throw new SocketError('EINVAL', { text: 'curvePublicKey does not belong to curveSecretKey' })
  }
  return own
}
