import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BalancePolicy, Balancer, type Choice } from '../../../../src/rpc/client/balancer.ts'

type Link = { -readonly [Key in keyof Choice]: Choice[Key] }

const link = (endpoint: string, changes: Partial<Link> = {}): Link => ({
  endpoint,
  available: true,
  refused: false,
  callCount: 0,
  ...changes,
})

function picks(policy: BalancePolicy, links: Link[], count: number): string {
  const balancer = new Balancer(policy)
  return Array.from({ length: count }, () => balancer.pick(links)?.endpoint).join('')
}

const [a, b, c] = [link('a'), link('b'), link('c')]
const away = link('x', { available: false })
const refusing = link('r', { available: false, refused: true })

describe('roundRobin', () => {
  it('takes each in turn', () => expect(picks('roundRobin', [a, b, c], 7)).toBe('abcabca'))

  it('passes over those that are away, and their neighbour gets no more than its share', () => {
    expect(picks('roundRobin', [away, a, b], 6)).toBe('ababab')
  })

  it('without any that takes calls, waits for one that may come rather than for one that refuses us', () => {
    expect(picks('roundRobin', [refusing, away], 3)).toBe('xxx')
    expect(picks('roundRobin', [refusing], 1)).toBe('r')
  })
})

describe('leastOutstanding', () => {
  it('takes the one with the fewest calls, and equals in turn', () => {
    expect(picks('leastOutstanding', [link('a', { callCount: 2 }), link('b', { callCount: 1 }), link('c', { callCount: 1 })], 4)).toBe(
      'bcbc',
    )
  })

  it('takes a busy one rather than one that is away', () => {
    expect(picks('leastOutstanding', [away, link('a', { callCount: 900 })], 2)).toBe('aa')
  })
})

describe('firstHealthy', () => {
  it('takes the first; the others stand by', () => {
    expect(picks('firstHealthy', [a, b], 3)).toBe('aaa')
    expect(picks('firstHealthy', [away, b, c], 3)).toBe('bbb')
  })
})

describe('every policy', () => {
  const policy = fc.constantFrom<BalancePolicy[]>('roundRobin', 'leastOutstanding', 'firstHealthy')
  const links = fc.array(fc.record({ endpoint: fc.string(), available: fc.boolean(), refused: fc.boolean(), callCount: fc.nat(3) }), {
    maxLength: 6,
  })

  it('finds the fittest: takes calls before may yet come before refuses, and not tried before tried', () => {
    fc.assert(
      fc.property(policy, fc.array(fc.tuple(links, fc.array(fc.nat(5)))), (policy, rounds) => {
        const balancer = new Balancer(policy)
        for (const [links, triedIndexes] of rounds) {
          const tried = new Set(triedIndexes.flatMap((index) => links[index] ?? []))
          const rank = (one: Choice): number => (one.available ? 0 : one.refused ? 4 : 2) + (tried.has(one) ? 1 : 0)
          const picked = balancer.pick(links, tried)
          expect(picked === undefined).toBe(links.length === 0)
          if (picked === undefined) continue
          const best = Math.min(...links.map(rank))
          expect(rank(picked)).toBe(best)
          const equals = links.filter((one) => rank(one) === best)
          if (policy === 'leastOutstanding') expect(picked.callCount).toBe(Math.min(...equals.map(({ callCount }) => callCount)))
          if (policy === 'firstHealthy') expect(picked).toBe(equals[0])
        }
      }),
    )
  })
})
