/**
 * The frame decoder against one that was written the slow and obvious way, from the whole stream: the same frames, and a
 * fault at the same place.
 */

import { FrameDecoder, type FrameLimits } from '../../src/wire/frame-decoder.ts'
import { kindOf, must, type Target } from '../target.ts'
import { trafficPiece } from './connection.ts'

interface Decoded {
  frames: string[]
  failed: boolean
}

export const framesTarget: Target = {
  name: 'frames',

  generate: (random) => [random.bytes(3), ...Array.from({ length: 1 + random.below(10) }, () => trafficPiece(random))],
  piece: trafficPiece,

  run(input) {
    const [setting, ...pieces] = input
    const at = (index: number): number => setting?.[index] ?? 0
    const limits: FrameLimits = {
      maxFrameBytes: at(0) % 2 === 0 ? 0x1000_0000 : 300,
      maxCommandBytes: at(0) % 3 === 0 ? 40 : 65_536,
      repairLostLongBit: at(1) % 2 === 1,
    }
    const stream = Buffer.concat(pieces)
    const expected = obvious(stream, limits)
    const step = 1 + (at(2) % 40)
    let reason = ''
    for (const chunkBytes of [stream.length, 1, step]) {
      const got = decode(stream, limits, Math.max(chunkBytes, 1), (error) => {
        reason = kindOf(error.message)
      })
      const equal =
        got.failed === expected.failed &&
        got.frames.length === expected.frames.length &&
        got.frames.every((line, index) => line === expected.frames[index])
      must(equal, `chunks of ${chunkBytes} bytes give the frames of the stream`, () => JSON.stringify([got, expected]))
    }
    return `${Math.min(expected.frames.length, 4)} ${reason}`
  },
}

function decode(stream: Buffer, limits: FrameLimits, chunkBytes: number, fault: (error: Error) => void): Decoded {
  const decoded: Decoded = { frames: [], failed: false }
  const decoder = new FrameDecoder({ frame: (flags, body) => decoded.frames.push(line(flags, body)) }, limits)
  try {
    for (let at = 0; at < stream.length; at += chunkBytes) decoder.decode(stream.subarray(at, at + chunkBytes))
  } catch (error) {
    decoded.failed = true
    fault(error as Error)
  }
  must(decoder.bufferedBytes <= stream.length, 'no more is kept than came')
  return decoded
}

const line = (flags: number, body: Buffer): string => `${flags} ${body.length} ${body.toString('latin1', 0, 300)}`

function obvious(stream: Buffer, limits: FrameLimits): Decoded {
  const frames: string[] = []
  const failure: Decoded = { frames, failed: true }
  let rest = stream
  while (rest.length >= 2) {
    const flags = rest[0] as number
    const lost = limits.repairLostLongBit && flags === 4 && rest[1] === 0
    const long = (flags & 2) !== 0 || lost
    if (long && rest.length < 9) break
    const size = long ? rest.readBigUInt64BE(1) : BigInt(rest[1] as number)
    if (size >= 2n ** 53n || flags > 7 || (flags & 5) === 5) return failure
    if (size > BigInt((flags & 4) === 0 ? limits.maxFrameBytes : limits.maxCommandBytes)) return failure
    if ((flags & 4) !== 0 && size === 0n) return failure
    if (lost && (size < 256n || size > 265n)) return failure
    const start = long ? 9 : 2
    if (BigInt(rest.length - start) < size) break
    frames.push(line(flags & 5, rest.subarray(start, start + Number(size))))
    rest = rest.subarray(start + Number(size))
  }
  return { frames, failed: false }
}
