/** The two stores of a buffer: for what waits, and for how it ended. */

import { join } from 'node:path'
import { ZmqRpcError } from '../../errors.ts'
import type { BufferStore } from '../../store/buffer-store.ts'
import { MANY_RECORDS, MAX_KEPT_BYTES, type StoreMaker, segmentLogMaker, storeMaker } from '../store-source.ts'
import { type BufferOptions, type BufferSettings, isStore } from './buffer-options.ts'

/** What makes them, each time that they are to be opened. @throws ZmqRpcError BAD_OPTION */
export function storesOf(options: BufferOptions, settings: BufferSettings): () => Promise<{ store: BufferStore; outcomes: BufferStore }> {
  const { path, store, outcomes, durability, onDamage } = options
  if (store !== undefined && isStore(outcomes)) {
    if (path !== undefined) refuse('path and store cannot both be given')
    return both(storeMaker(store), storeMaker(outcomes))
  }
  if (store !== undefined || isStore(outcomes)) refuse('store and outcomes are given together: how commands ended is kept, too')
  if (typeof path !== 'string' || path === '') refuse('path is the folder where it is kept: give it, or store and outcomes')
  const { maxBytes } = settings
  const common = { durability, onDamage, maxRecordBytes: Math.min(MAX_KEPT_BYTES, maxBytes) }
  return both(
    segmentLogMaker({ ...common, path: commandsIn(path), maxBytes, maxRecords: MANY_RECORDS }),
    // It is kept smaller than that; an outcome that was forgotten may come again.
    segmentLogMaker({
      ...common,
      path: join(path, 'outcomes'),
      maxBytes: 2 * settings.outcomes.maxBytes,
      maxRecords: MANY_RECORDS,
      dedupeWindow: 0,
    }),
  )
}

/** Where the commands are, in the folder of a buffer. */
export function commandsIn(path: string): string {
  return join(path, 'commands')
}

function both(store: StoreMaker, outcomes: StoreMaker): () => Promise<{ store: BufferStore; outcomes: BufferStore }> {
  return async () => ({ store: await store(), outcomes: await outcomes() })
}

function refuse(text: string): never {
  throw new ZmqRpcError('BAD_OPTION', `buffer: ${text}`)
}
