/** All that is fuzzed, and how much of the time each gets. */

import type { Target } from '../target.ts'
import { framesTarget } from './frames.ts'
import { curveClientTarget, curveServerTarget, nullTarget, plainClientTarget, plainServerTarget } from './mechanisms.ts'
import { metadataTarget } from './metadata.ts'
import { nativeTarget } from './native.ts'
import { pyzmqrpc3Target } from './pyzmqrpc3.ts'
import { storeTarget } from './store.ts'
import { subscriptionsTarget } from './subscriptions.ts'

export const TARGETS: readonly { target: Target; share: number }[] = [
  { target: nullTarget, share: 4 },
  { target: plainServerTarget, share: 2 },
  { target: plainClientTarget, share: 2 },
  { target: curveServerTarget, share: 2 },
  { target: curveClientTarget, share: 2 },
  { target: framesTarget, share: 2 },
  { target: metadataTarget, share: 1 },
  { target: subscriptionsTarget, share: 2 },
  { target: storeTarget, share: 1 },
  { target: pyzmqrpc3Target, share: 3 },
  { target: nativeTarget, share: 3 },
]
