import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeZ85, encodeZ85 } from '../../../src/wire/z85.ts'

describe('Z85', () => {
  it.each([
    ['', ''],
    ['864FD26FB559F75B', 'HelloWorld'],
    ['00000000', '00000'],
    ['FFFFFFFF', '%nSc0'],
    // The test keys of RFC 32 and of libzmq's documentation.
    ['8E0BDD697628B91D8F245587EE95C5B04D48963F79259877B49CD9063AEAD3B7', 'JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6'],
    ['BB88471D65E2659B30C55A5321CEBB5AAB2B70A398645C26DCA2B2FCB43FC518', 'Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID'],
    ['7BB864B489AFA3671FBE69101F94B38972F24816DFB01B51656B3FEC8DFD0888', 'D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs'],
    ['54FCBA24E93249969316FB617C872BB0C1D1FF14800427C594CBFACF1BC2D652', 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7'],
  ])('writes %s as %s, and reads it', (hex, text) => {
    const bytes = Buffer.from(hex, 'hex')
    expect(encodeZ85(bytes)).toBe(text)
    expect(decodeZ85(text)).toEqual(bytes)
  })

  it('comes back as it went', () => {
    const words = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes.subarray(0, bytes.length & ~3)))
    fc.assert(fc.property(words, (bytes) => decodeZ85(encodeZ85(bytes))?.equals(bytes) === true))
  })

  it.each(['0', '0000', '000000', '%nSc1', '#####', '0000 ', '0000"', '0000~', '0000é', '\u{1f600}\u{1f600}0', '0000\0'])(
    'does not read %j',
    (text) => {
      expect(decodeZ85(text)).toBeUndefined()
    },
  )

  it('writes no other number of bytes', () => {
    for (const length of [1, 2, 3, 5, 33]) expect(() => encodeZ85(Buffer.alloc(length))).toThrow(RangeError)
  })
})
