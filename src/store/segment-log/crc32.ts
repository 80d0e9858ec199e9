/** CRC-32 (of zlib): the one of Node where it has it (20.15, 22.2), else by table. */

import zlib from 'node:zlib'

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

export function crc32ByTable(bytes: Uint8Array, start = 0): number {
  let value = ~start
  for (let at = 0; at < bytes.length; at++) value = (TABLE[(value ^ (bytes[at] as number)) & 0xff] as number) ^ (value >>> 8)
  return ~value >>> 0
}

const ofNode = (zlib as { crc32?: (bytes: Uint8Array, start?: number) => number }).crc32

/** @param start what came out for the bytes before these */
export const crc32: (bytes: Uint8Array, start?: number) => number = ofNode ?? crc32ByTable
