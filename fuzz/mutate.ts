/** Makes an input worse: whole pieces are moved, repeated, left out or exchanged, and bytes within them are spoilt. */

import type { Random } from './random.ts'
import type { Pieces, Target } from './target.ts'

const MAX_PIECES = 32
const MAX_PIECE_BYTES = 4096

/** Where lengths, flags and counters have their edges. */
const EDGES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x0f, 0x10, 0x20, 0x3f, 0x40, 0x7e, 0x7f, 0x80, 0xf4, 0xfe, 0xff]
const EDGES_32 = [0, 1, 0xff, 0x100, 0xffff, 0x1_0000, 0x10_0000, 0x1f_ffff, 0x20_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]

export function mutate(input: Pieces, random: Random, target: Target, another: () => Pieces): Pieces {
  const pieces = [...input]
  for (let count = 1 + random.below(4); count > 0; count--) {
    if (random.oneIn(3)) mutatePieces(pieces, random, target, another)
    else mutateBytes(pieces, random)
  }
  return pieces
}

/** The first piece stays where it is: it tells how to run the rest. */
function mutatePieces(pieces: Pieces, random: Random, target: Target, another: () => Pieces): void {
  const at = 1 + random.below(pieces.length)
  switch (random.below(6)) {
    case 0:
      pieces.splice(at, 1)
      return
    case 1: {
      const from = 1 + random.below(pieces.length)
      const piece = pieces[from]
      if (piece !== undefined && pieces.length < MAX_PIECES) pieces.splice(at, 0, piece)
      return
    }
    case 2: {
      const [piece] = pieces.splice(at, 1)
      if (piece !== undefined) pieces.splice(1 + random.below(pieces.length), 0, piece)
      return
    }
    case 3: {
      const other = another()
      const from = random.below(other.length)
      const taken = other.slice(from, from + 1 + random.below(4))
      if (pieces.length + taken.length < MAX_PIECES) pieces.splice(at, random.below(3), ...taken)
      return
    }
    default:
      if (pieces.length < MAX_PIECES) pieces.splice(at, random.below(2), target.piece(random))
  }
}

/** Behind flags and size of one byte, if that is what the piece is: a frame, or one behind a byte of its target's. */
function bodyStart(piece: Buffer): number {
  if (piece.length >= 2 && piece[1] === piece.length - 2) return 2
  return piece.length >= 3 && piece[2] === piece.length - 3 ? 3 : -1
}

/** Spoils the end of a frame's body, and puts its size right: what the frame holds is wrong, not the framing. */
function mutateBody(piece: Buffer, start: number, random: Random): Buffer {
  const end = random.oneIn(2) ? start + random.below(piece.length - start + 1) : Math.max(start, piece.length - 1 - random.below(4))
  const body = random.oneIn(3) ? Buffer.concat([piece.subarray(start), random.bytes(1 + random.below(3))]) : piece.subarray(start, end)
  if (body.length > 255) return piece
  const frame = Buffer.concat([piece.subarray(0, start), body])
  frame[start - 1] = body.length
  return frame
}

function mutateBytes(pieces: Pieces, random: Random): void {
  const index = random.below(pieces.length)
  const start = bodyStart(pieces[index] as Buffer)
  if (start > 0 && random.oneIn(4)) {
    pieces[index] = mutateBody(pieces[index] as Buffer, start, random)
    return
  }
  const piece = Buffer.from(pieces[index] as Buffer)
  pieces[index] = piece
  const at = random.below(piece.length + 1)
  switch (random.below(8)) {
    case 0:
      if (at < piece.length) piece[at] = (piece[at] as number) ^ (1 << random.below(8))
      return
    case 1:
      if (at < piece.length) piece[at] = random.pick(EDGES)
      return
    case 2:
      if (at < piece.length) piece[at] = (piece[at] as number) + random.pick([-1, 1, 16, -16])
      return
    case 3:
      if (at + 4 <= piece.length) piece.writeUInt32BE(random.pick(EDGES_32), at)
      return
    case 4:
      pieces[index] = piece.subarray(0, at)
      return
    case 5:
      pieces[index] = Buffer.concat([piece.subarray(0, at), piece.subarray(at + 1 + random.below(8))])
      return
    case 6: {
      const put = random.oneIn(2)
        ? random.bytes(1 + random.below(8))
        : Buffer.alloc(1 + random.below(random.oneIn(8) ? 300 : 20), random.pick(EDGES))
      if (piece.length + put.length <= MAX_PIECE_BYTES) pieces[index] = Buffer.concat([piece.subarray(0, at), put, piece.subarray(at)])
      return
    }
    default: {
      const end = at + random.below(Math.min(32, piece.length - at) + 1)
      if (piece.length * 2 <= MAX_PIECE_BYTES) pieces[index] = Buffer.concat([piece.subarray(0, end), piece.subarray(at)])
    }
  }
}
