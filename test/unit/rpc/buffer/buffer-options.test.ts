/** What a buffer may not be told. */

import { describe, expect, it } from 'vitest'
import { RpcClient, RpcProxy } from '../../../../src/index.ts'
import { type BufferOptions, resolveBuffer } from '../../../../src/rpc/buffer/buffer-options.ts'

describe('the options of a buffer', () => {
  it.each([
    ['keep', 'Open'],
    ['backoffMs', 5],
    ['name', 5],
  ])('refuse what %s does not take', (name, value) => {
    expect(() => resolveBuffer({ path: 'x', [name]: value } as BufferOptions)).toThrow(`buffer.${name} takes`)
  })

  it.each([
    { pipeline: 1.5 },
    { maxInFlight: 0.5 },
    { maxAttempts: 2.5 },
    { deadLetters: { maxCount: 1.5 } },
    { outcomes: { maxCount: 1.5 } },
  ])('refuse %o: commands come whole', (options) => {
    expect(() => resolveBuffer({ path: 'x', ...options })).toThrow(/buffer\.[a-zA-Z.]+ is [0-9.]+, not a/)
  })

  it('refuse to be nothing: who asked for a buffer must not go without', () => {
    for (const nothing of [null, false, 0, '']) {
      const buffer = nothing as unknown as BufferOptions
      expect(() => new RpcProxy({ rep: 'tcp://127.0.0.1:0', req: 'tcp://127.0.0.1:9', buffer })).toThrow('buffer takes an object')
      expect(() => new RpcClient({ req: 'tcp://127.0.0.1:9', buffer })).toThrow('buffer takes an object')
    }
    expect(() => resolveBuffer({ path: 'x', outcomes: null } as unknown as BufferOptions)).toThrow('buffer.outcomes takes an object')
  })
})
