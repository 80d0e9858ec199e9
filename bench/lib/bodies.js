/**
 * What is sent: bodies of 64 bytes in a fixed cycle, each filled with its place in it, so that a reply shows by its first
 * and last byte whether it is the right one, in the right place.
 */

export const BODY_BYTES = 64
export const CYCLE = 128
/** First byte of a body that is no part of the cycle: publishers send it until everyone hears them. */
export const PROBE = 255

export const BODIES = Array.from({ length: CYCLE }, (_, index) => Buffer.alloc(BODY_BYTES, index))

const CYCLE_BYTES = CYCLE * BODY_BYTES
/** Several cycles on end: any 64 KiB of the stream are one slice of it. */
export const STREAM = Buffer.concat([
  ...BODIES,
  ...BODIES,
  ...BODIES,
  ...BODIES,
  ...BODIES,
  ...BODIES,
  ...BODIES,
  ...BODIES,
  ...BODIES,
  ...BODIES,
])

/** The slice of the endless stream at this position; at most 64 KiB. @param {number} position @param {number} length */
export function streamAt(position, length) {
  const start = position % CYCLE_BYTES
  return STREAM.subarray(start, start + length)
}

/** Every body by its ends, one in each cycle in full. @param {Buffer | undefined} body @param {number} place */
export function check(body, place) {
  const right = body !== undefined && body.length === BODY_BYTES && body[0] === place && body[BODY_BYTES - 1] === place
  if (!right || (place === 0 && !body.equals(/** @type {Buffer} */ (BODIES[0]))))
    throw new Error(`wrong: ${body?.toString('hex')} instead of ${place}`)
}

/** @param {Buffer} chunk @param {number} position */
export function checkStream(chunk, position) {
  for (let offset = 0; offset < chunk.length; offset += 65536) {
    const part = chunk.subarray(offset, offset + 65536)
    if (!part.equals(streamAt(position + offset, part.length))) throw new Error(`wrong bytes after ${position}`)
  }
}
