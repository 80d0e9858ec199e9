/**
 * How two of our peers know each other: a property of the handshake, which every other peer ignores. So both know what they
 * may say without asking, and nothing of ours is ever sent to a pyzmqrpc3 peer.
 */

import { ZmqRpcError } from '../../errors.ts'
import type { PeerInfo } from '../../wire/index.ts'
import { isNative, kindOf } from './native/header.ts'

/** Which dialect a peer is spoken to in. */
export type Dialect = 'native' | 'pyzmqrpc3'

const PROPERTY = 'X-Zmq-Rpc'
/** Versions of the native dialect that we speak, as they stand in the property. */
const VERSIONS = '1'

/** The socket option that announces the native dialect. */
export const ANNOUNCEMENT: Readonly<Record<string, string>> = { [PROPERTY]: VERSIONS }

/** True for a peer that announced a version of the native dialect that we speak. */
export function speaksNative(info: PeerInfo | undefined): boolean {
  // Names of properties are not case-sensitive; the handshake has them in lower case.
  const versions = info?.metadata.get(PROPERTY.toLowerCase())
  return versions?.toString('latin1').split(',').includes(VERSIONS) ?? false
}

/** @throws ZmqRpcError BAD_OPTION for what is no dialect. */
export function resolveDialect(given: unknown): 'auto' | 'pyzmqrpc3' {
  if (given === undefined || given === 'auto') return 'auto'
  if (given === 'pyzmqrpc3') return given
  throw new ZmqRpcError('BAD_OPTION', `dialect is ${JSON.stringify(given)}, not "auto" or "pyzmqrpc3"`)
}

/** The kind of a message of the native dialect; undefined for one of the other. */
export function nativeKind(frame: Buffer | undefined): number | undefined {
  return frame !== undefined && isNative(frame) ? kindOf(frame) : undefined
}
