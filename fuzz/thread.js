/** The way into a thread: tsx, which runs TypeScript here, does not follow into threads by itself. */

import { register } from 'tsx/esm/api'

register()
await import('./worker.ts')
