/** The extension types of the native dialect, its element types, and what it allows. `docs/protocol.md` is the word on them. */

/** MessagePack's extension types; -1 is MessagePack's own. */
export const EXT = {
  timestamp: -1,
  /** `undefined`: one byte, 0. */
  undefined: 0,
  /** A bigint: two's complement, most significant byte first, as short as can be. */
  bigint: 1,
  /** A typed array: its element type, then its bytes, least significant first. */
  typedArray: 2,
  /** A binary that is a frame of its own: its element type, then the number of the frame (4 bytes, from 1). */
  frame: 3,
  /** A command within a value: its name, its state. */
  command: 4,
  /** A Map: an array of keys and values in turn. */
  map: 5,
  /** A Set: an array. */
  set: 6,
  /** A stream: its number within the call (2 bytes). */
  stream: 7,
  /** A string with lone surrogates, which UTF-8 cannot hold: UTF-16, least significant byte first. */
  utf16: 8,
} as const

/** Binaries of so many bytes or more travel in frames of their own. */
export const OWN_FRAME_BYTES = 4096
/** So many of them at most; the others travel within the body. A receiver has a limit on the frames of a message. */
export const MAX_OWN_FRAMES = 1024
/** Containers around a value. */
export const MAX_DEPTH = 1000
/** Arrays, objects, Maps, Sets and commands of one message, members and entries of theirs, binaries, dates, bigints. */
export const MAX_NODES = 1_000_000
/** Items of all arrays of one message. */
export const MAX_ITEMS = 8_000_000
export const MAX_BIGINT_BYTES = 65_536
/** Streams of one call are numbered from 0 to here. */
export const MAX_STREAM = 0xffff
/** Errors that led to an error; further ones are left out. */
export const MAX_CAUSES = 8
