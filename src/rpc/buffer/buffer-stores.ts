/** The two stores of a buffer: for what waits, and for how it ended. */

import { join } from 'node:path'
import { ZmqRpcError } from '../../errors.ts'
import type { BufferStore } from '../../store/buffer-store.ts'
import { SegmentLog } from '../../store/segment-log/segment-log.ts'
import { type BufferOptions, type BufferSettings, isStore, type StoreSource } from './buffer-options.ts'

/** What makes them, each time that they are to be opened. @throws ZmqRpcError BAD_OPTION */
export function storesOf(options: BufferOptions, settings: BufferSettings): () => { store: BufferStore; outcomes: BufferStore } {
  const { path, store, outcomes, durability, onDamage } = options
  if (store !== undefined && isStore(outcomes)) {
    if (path !== undefined) refuse('path and store cannot both be given')
    const [first, second] = [maker(store), maker(outcomes)]
    return () => ({ store: first(), outcomes: second() })
  }
  if (store !== undefined || isStore(outcomes)) refuse('store and outcomes are given together: how commands ended is kept, too')
  if (typeof path !== 'string' || path === '') refuse('path is the folder where it is kept: give it, or store and outcomes')
  const { maxBytes } = settings
  const common = { durability, onDamage, maxRecordBytes: Math.min(MAX_RECORD_BYTES, maxBytes) }
  return () => ({
    store: new SegmentLog({ ...common, path: commandsIn(path), maxBytes, maxRecords: MANY }),
    // It is kept smaller than that; an outcome that was forgotten may come again.
    outcomes: new SegmentLog({
      ...common,
      path: join(path, 'outcomes'),
      maxBytes: 2 * settings.outcomes.maxBytes,
      maxRecords: MANY,
      dedupeWindow: 0,
    }),
  })
}

/** Where the commands are, in the folder of a buffer. */
export function commandsIn(path: string): string {
  return join(path, 'commands')
}

/** What a message may have, and what is kept with it. */
const MAX_RECORD_BYTES = 65 * 1024 * 1024
/** The limits of a buffer are in bytes, and its own. */
const MANY = 1_000_000_000

function maker(source: StoreSource): () => BufferStore {
  return typeof source === 'function' ? source : () => source
}

function refuse(text: string): never {
  throw new ZmqRpcError('BAD_OPTION', `buffer: ${text}`)
}
