/** What goes along with a command or a reply, checked before it travels: metadata is text by name, and text that has UTF-8. */

import { ZmqRpcError } from '../errors.ts'
import { metadataWithinScope } from './call-scope.ts'
import type { CallOptions } from './client/client-options.ts'
import type { Extras } from './dialect/native/message.ts'
import { MAX_IDEMPOTENCY_KEY_LENGTH } from './server/idempotency.ts'
import type { Metadata } from './server/service.ts'

/** What goes along with a call. @throws ZmqRpcError BAD_OPTION */
export function extrasOf({ metadata: given, idempotencyKey }: Pick<CallOptions, 'metadata' | 'idempotencyKey'>): Extras | undefined {
  const metadata = metadataWithinScope(given === undefined ? undefined : resolveMetadata('metadata', given))
  if (idempotencyKey === undefined) return metadata && { metadata }
  return { metadata, idempotencyKey: resolveKey('idempotencyKey', idempotencyKey) }
}

/** @throws ZmqRpcError BAD_OPTION */
export function resolveKey(option: string, key: unknown): string {
  if (typeof key === 'string' && isKey(key)) return key
  throw bad(`${option} has to be a text of 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH} characters`)
}

function isKey(key: string): boolean {
  return key.length >= 1 && key.length <= MAX_IDEMPOTENCY_KEY_LENGTH && key.isWellFormed()
}

/** Names without a value are left out. @throws ZmqRpcError BAD_OPTION naming what is no text. */
export function resolveMetadata(what: string, given: Metadata): Metadata {
  let complete = true
  for (const [name, value] of Object.entries<unknown>(given)) {
    if (value === undefined) complete = false
    else if (typeof value !== 'string') throw bad(`${what}.${name} is of type ${value === null ? 'null' : typeof value}, not a string`)
    else if (!(value.isWellFormed() && name.isWellFormed())) throw bad(`${what}.${name} has a lone surrogate, which cannot be sent`)
  }
  return complete ? given : Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function bad(text: string): ZmqRpcError {
  return new ZmqRpcError('BAD_OPTION', text)
}
