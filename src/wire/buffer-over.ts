/** Views of memory as `Buffer`s: one for each frame that comes in, so what they cost shows. */

import { Buffer } from 'node:buffer' // the global of that name is a getter, which shows at every frame

type Views = new (memory: ArrayBufferLike, start: number, length: number) => Buffer

/** What `subarray` makes. Measured: `Buffer.from`, which first looks at what it was given, takes half as long again, `subarray` twice. */
const View = (Buffer as unknown as { readonly [Symbol.species]: Views })[Symbol.species]

/** `length` bytes from `start` on, which are there. */
export function bufferOver(memory: ArrayBufferLike, start: number, length: number): Buffer {
  return new View(memory, start, length)
}
