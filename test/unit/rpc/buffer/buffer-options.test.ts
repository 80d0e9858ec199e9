/** What a buffer may not be told. */

import { describe, expect, it } from 'vitest'
import { type BufferOptions, resolveBuffer } from '../../../../src/rpc/buffer/buffer-options.ts'

describe('the options of a buffer', () => {
  it.each([
    ['keep', 'Open'],
    ['backoffMs', 5],
    ['name', 5],
  ])('refuse what %s does not take', (name, value) => {
    expect(() => resolveBuffer({ path: 'x', [name]: value } as BufferOptions)).toThrow(`buffer.${name} takes`)
  })
})
