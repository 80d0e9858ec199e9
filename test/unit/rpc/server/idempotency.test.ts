import { performance } from 'node:perf_hooks'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { IdempotencyCache, type KeyLookup, type OwnedKey, ownedKey } from '../../../../src/rpc/server/idempotency.ts'

const LIMITS = { ttlMs: 1000, maxKeys: 3, maxBytes: 1000 }
const key = (text: string): OwnedKey => ownedKey(undefined, text)
const body = (text: string): Buffer[] => [Buffer.from(text)]

/** Runs a call of the key to its end. */
function answer(cache: IdempotencyCache, owned: OwnedKey, text: string): void {
  const found = cache.lookUp(owned, 'Pay')
  if (found.kind !== 'first') throw new Error(`it is ${found.kind}`)
  void found.end(body(text))
}

function kinds(cache: IdempotencyCache, ...keys: string[]): string[] {
  return keys.map((text) => {
    const found = cache.lookUp(key(text), 'Pay')
    if (found.kind === 'first') void found.end(undefined)
    return found.kind
  })
}

afterEach(() => vi.restoreAllMocks())

describe('a key', () => {
  it('is answered by what its first call left', () => {
    const cache = new IdempotencyCache(LIMITS)
    answer(cache, key('a'), 'paid')
    expect(cache.lookUp(key('a'), 'Pay')).toEqual({ kind: 'answered', answer: body('paid') })
    expect(cache.lookUp(key('b'), 'Pay').kind).toBe('first')
  })

  it('is under way from its look-up to its end, for its own command; for another it is taken, then and later', () => {
    const cache = new IdempotencyCache(LIMITS)
    const first = cache.lookUp(key('a'), 'Pay') as Extract<KeyLookup, { kind: 'first' }>
    expect([cache.isUnderWay(key('a'), 'Pay'), cache.isUnderWay(key('a'), 'Refund')]).toEqual([true, false])
    expect(cache.lookUp(key('a'), 'Pay')).toEqual({ kind: 'under way' })
    expect(cache.lookUp(key('a'), 'Refund')).toEqual({ kind: 'taken', command: 'Pay' })
    void first.end(body('paid'))
    expect(cache.isUnderWay(key('a'), 'Pay')).toBe(false)
    expect(cache.lookUp(key('a'), 'Refund')).toEqual({ kind: 'taken', command: 'Pay' })
  })

  it('whose first call left no answer is free again', () => {
    const cache = new IdempotencyCache(LIMITS)
    expect(kinds(cache, 'a', 'a')).toEqual(['first', 'first'])
    expect([cache.size, cache.bytes]).toEqual([0, 0])
  })

  it('belongs to one user, whatever names and keys are made of', () => {
    fc.assert(
      fc.property(fc.option(fc.string()), fc.string(), fc.option(fc.string()), fc.string(), (user, text, otherUser, otherText) => {
        const one = ownedKey(user === null ? undefined : { username: user }, text)
        const other = ownedKey(otherUser === null ? undefined : { username: otherUser }, otherText)
        expect(one === other).toBe(user === otherUser && text === otherText)
      }),
    )
    // A user that would be another one, were name and key simply joined.
    expect(ownedKey({ username: 'a' }, 'b\0c')).not.toBe(ownedKey({ username: 'a\0b' }, 'c'))
    expect(ownedKey({ username: '' }, 'a')).not.toBe(ownedKey(undefined, 'a'))
    expect(ownedKey(undefined, '1:a:b')).not.toBe(ownedKey({ username: 'a' }, 'b'))
  })
})

describe('what is kept', () => {
  it('is a snapshot: memory of the service may be used again', () => {
    const cache = new IdempotencyCache({ ...LIMITS, maxBytes: 100_000 })
    const found = cache.lookUp(key('a'), 'Pay') as Extract<KeyLookup, { kind: 'first' }>
    const large = Buffer.alloc(10_000, 1)
    void found.end([Buffer.from('head'), large])
    large.fill(2)
    expect(cache.lookUp(key('a'), 'Pay')).toEqual({ kind: 'answered', answer: [Buffer.from('head'), Buffer.alloc(10_000, 1)] })
  })

  it('is kept for its time only', () => {
    let now = performance.now()
    vi.spyOn(performance, 'now').mockImplementation(() => now)
    const cache = new IdempotencyCache(LIMITS)
    answer(cache, key('a'), '1')
    now += 600
    answer(cache, key('b'), '2')
    now += 399
    expect(kinds(cache, 'a', 'b')).toEqual(['answered', 'answered'])
    now += 1
    expect(kinds(cache, 'a', 'b')).toEqual(['first', 'answered'])
    expect(cache.size).toBe(1)
    now += 600
    expect(kinds(cache, 'b')).toEqual(['first'])
    expect([cache.size, cache.bytes]).toEqual([0, 0])
  })

  it('is as many keys as may be; the oldest answer goes first', () => {
    const cache = new IdempotencyCache(LIMITS)
    for (const text of ['a', 'b', 'c', 'd']) answer(cache, key(text), text)
    expect(kinds(cache, 'a', 'b', 'c', 'd')).toEqual(['first', 'answered', 'answered', 'answered'])
  })

  it('is as many bytes as may be; the oldest answer goes first', () => {
    const cache = new IdempotencyCache(LIMITS)
    for (const text of ['a', 'b', 'c']) answer(cache, key(text), 'x'.repeat(400))
    expect(kinds(cache, 'a', 'b', 'c')).toEqual(['first', 'answered', 'answered'])
    expect(cache.bytes).toBe(2 * (400 + key('a').length))
  })

  it('is not an answer larger than all may be together, which would drive out all the others', () => {
    const cache = new IdempotencyCache(LIMITS)
    answer(cache, key('a'), 'x')
    answer(cache, key('b'), 'x'.repeat(1001))
    expect(kinds(cache, 'a', 'b')).toEqual(['answered', 'first'])
  })

  it('does not count keys that are under way: they push nothing out, and nothing pushes them out', () => {
    const cache = new IdempotencyCache({ ...LIMITS, maxKeys: 1 })
    const running = ['a', 'b', 'c'].map((text) => cache.lookUp(key(text), 'Pay'))
    answer(cache, key('d'), 'd')
    expect(kinds(cache, 'd')).toEqual(['answered'])
    for (const found of running) if (found.kind === 'first') void found.end(body('x'))
    expect(kinds(cache, 'a', 'b', 'c', 'd')).toEqual(['first', 'first', 'answered', 'first'])
  })
})
