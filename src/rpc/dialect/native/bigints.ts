/** Integers of any size as bytes: two's complement, most significant byte first. */

/** As short as can be; at least one byte. */
export function bigintBytes(value: bigint): Buffer {
  // A negative number is the complement of one that is not, and has the same length.
  const size = value < 0n ? -value - 1n : value
  const digits = size.toString(16)
  // The first bit is the sign's.
  const needsByte = digits.length % 2 === 0 && digits.charCodeAt(0) > 0x37
  const bytes = Buffer.from(digits.length % 2 === 1 ? `0${digits}` : needsByte ? `00${digits}` : digits, 'hex')
  if (value < 0n) for (let at = 0; at < bytes.length; at++) bytes[at] = ~(bytes[at] as number)
  return bytes
}

/** The bytes are at least one; they need not be as short as can be. */
export function bigintOf(bytes: Buffer): bigint {
  const unsigned = BigInt(`0x${bytes.toString('hex')}`)
  return (bytes[0] as number) < 0x80 ? unsigned : BigInt.asIntN(bytes.length * 8, unsigned)
}
