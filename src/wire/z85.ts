/** Z85: four bytes as five printable characters [RFC 32]. How CURVE keys are written. */

const CHARACTERS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'

const DIGITS = new Map([...CHARACTERS].map((character, digit) => [character, digit]))

/** @throws RangeError unless there are a multiple of four bytes. */
export function encodeZ85(bytes: Buffer): string {
  if (bytes.length % 4 !== 0) throw new RangeError(`Z85 takes a multiple of 4 bytes, not ${bytes.length}`)
  let text = ''
  for (let offset = 0; offset < bytes.length; offset += 4) {
    const value = bytes.readUInt32BE(offset)
    for (let divisor = 85 ** 4; divisor >= 1; divisor /= 85) text += CHARACTERS[Math.floor(value / divisor) % 85]
  }
  return text
}

/** The bytes, or undefined for what is not Z85: another length, a character outside the alphabet, five that exceed 32 bits. */
export function decodeZ85(text: string): Buffer | undefined {
  if (text.length % 5 !== 0) return undefined
  const bytes = Buffer.alloc((text.length / 5) * 4)
  for (let offset = 0; offset < text.length; offset += 5) {
    let value = 0
    for (const character of text.slice(offset, offset + 5)) value = value * 85 + (DIGITS.get(character) ?? Number.NaN)
    // Also false for NaN.
    if (!(value <= 0xffff_ffff)) return undefined
    bytes.writeUInt32BE(value, (offset / 5) * 4)
  }
  return bytes
}
