import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Admission, type AdmissionLimits, type Candidate, type CommandLimit } from '../../../../src/rpc/server/admission.ts'
import type { Peer } from '../../../../src/session/peer.ts'

const UNLIMITED: AdmissionLimits = {
  maxConcurrent: Number.POSITIVE_INFINITY,
  maxConcurrentPerPeer: Number.POSITIVE_INFINITY,
  maxQueued: Number.POSITIVE_INFINITY,
}

const peers = [0, 1, 2].map((n) => ({ n }) as unknown as Peer)

class TestCall implements Candidate {
  readonly from: Peer
  readonly limit: CommandLimit | undefined
  readonly refusable: boolean
  ready = true
  starts = 0
  onStart: () => void = () => {}

  constructor(from = peers[0] as Peer, limit?: CommandLimit, refusable = true) {
    this.from = from
    this.limit = limit
    this.refusable = refusable
  }

  start(): void {
    this.starts++
    this.onStart()
  }
}

/** What happens to an admission: calls come, end, give up, and become ready. `which` picks among those there are. */
type Step =
  | { readonly kind: 'enter'; readonly peer: number; readonly command: number; readonly refusable: boolean; readonly quick: boolean }
  | { readonly kind: 'enter blocked'; readonly peer: number }
  | { readonly kind: 'leave' | 'withdraw' | 'ready'; readonly which: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('enter' as const),
      peer: fc.nat(2),
      command: fc.nat(2),
      refusable: fc.boolean(),
      quick: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('enter blocked' as const), peer: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('leave' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('withdraw' as const, 'ready' as const), which: fc.nat() }) },
)

const limit = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant(Number.POSITIVE_INFINITY))

describe('whatever comes up', () => {
  it('no limit is exceeded, what may run does not wait, and each call is started or turned away once', () => {
    fc.assert(
      fc.property(
        fc.record({ maxConcurrent: limit, maxConcurrentPerPeer: limit, maxQueued: fc.integer({ min: 0, max: 5 }) }),
        fc.array(limit, { minLength: 3, maxLength: 3 }),
        fc.array(step, { maxLength: 60 }),
        (limits, commandLimits, steps) => {
          const admission = new Admission(limits)
          const commands = commandLimits.map((max) => (max === Number.POSITIVE_INFINITY ? undefined : { max, running: 0 }))
          const running = new Set<TestCall>()
          const waiting = new Set<TestCall>()
          const gone = new Set<TestCall>()
          const of = (calls: ReadonlySet<TestCall>, peer: Peer): number => [...calls].filter(({ from }) => from === peer).length
          const mayRun = (call: TestCall): boolean =>
            call.ready &&
            running.size < limits.maxConcurrent &&
            of(running, call.from) < limits.maxConcurrentPerPeer &&
            (call.limit === undefined || call.limit.running < call.limit.max)
          const leave = (call: TestCall): void => {
            running.delete(call)
            gone.add(call)
            admission.leave(call)
          }
          const enter = (call: TestCall, quick: boolean): void => {
            call.onStart = () => {
              waiting.delete(call)
              running.add(call)
              expect(running.size).toBeLessThanOrEqual(limits.maxConcurrent)
              expect(of(running, call.from)).toBeLessThanOrEqual(limits.maxConcurrentPerPeer)
              if (call.limit !== undefined) expect(call.limit.running).toBeLessThanOrEqual(call.limit.max)
              if (quick) leave(call)
            }
            const couldRun = mayRun(call)
            const before = waiting.size
            const outcome = admission.enter(call)
            expect(outcome === 'started').toBe(couldRun)
            if (outcome === 'refused') {
              expect(call.refusable).toBe(true)
              expect(before).toBeGreaterThanOrEqual(limits.maxQueued)
              gone.add(call)
            } else if (outcome === 'waiting') waiting.add(call)
          }
          const picked = (calls: ReadonlySet<TestCall>, which: number): TestCall | undefined => [...calls][which % Math.max(calls.size, 1)]

          for (const one of steps) {
            if (one.kind === 'enter') enter(new TestCall(peers[one.peer], commands[one.command], one.refusable), one.quick)
            else if (one.kind === 'enter blocked') {
              const call = new TestCall(peers[one.peer])
              call.ready = false
              enter(call, false)
            } else if (one.kind === 'leave') {
              const call = picked(running, one.which)
              if (call === undefined) continue
              leave(call)
              expect([...waiting].filter(mayRun)).toEqual([])
            } else {
              const call = picked(waiting, one.which)
              if (call === undefined) continue
              if (one.kind === 'withdraw') {
                expect(admission.withdraw(call)).toBe(true)
                expect(admission.withdraw(call)).toBe(false)
                waiting.delete(call)
                gone.add(call)
                expect(call.starts).toBe(0)
              } else {
                call.ready = true
                // It is seen when the next call ends.
                continue
              }
            }
            expect(admission.running).toBe(running.size)
            expect(admission.waiting).toBe(waiting.size)
          }
          // Nobody starves: when whatever runs ends, sooner or later each that waits has run, and once.
          for (const call of waiting) call.ready = true
          enter(new TestCall(peers[0], undefined, false), false)
          while (running.size > 0) leave([...running][0] as TestCall)
          expect([admission.running, admission.waiting, waiting.size]).toEqual([0, 0, 0])
          for (const call of gone) expect(call.starts).toBeLessThanOrEqual(1)
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('calls that wait', () => {
  it('are started each peer in turn, and of one peer the oldest first', () => {
    const admission = new Admission({ ...UNLIMITED, maxConcurrent: 1 })
    const order: string[] = []
    const first = new TestCall()
    admission.enter(first)
    const waiting = [0, 0, 0, 1, 2, 2].map((peer, index) => {
      const call = new TestCall(peers[peer])
      call.onStart = () => order.push(`${peer}:${index}`)
      expect(admission.enter(call)).toBe('waiting')
      return call
    })
    admission.leave(first)
    // Whoever runs now is the last of the order.
    for (let n = 1; n <= waiting.length; n++) {
      const index = Number(order.at(-1)?.split(':')[1])
      admission.leave(waiting[index] as TestCall)
    }
    expect(order).toEqual(['0:0', '1:3', '2:4', '0:1', '2:5', '0:2'])
    expect(admission.running).toBe(0)
  })

  it('are not held up by a kind of command that is at its limit', () => {
    const admission = new Admission({ ...UNLIMITED, maxConcurrent: 2 })
    const slow: CommandLimit = { max: 1, running: 0 }
    const [running, second, other] = [new TestCall(peers[0], slow), new TestCall(peers[0], slow), new TestCall(peers[0])]
    expect([running, second, other].map((call) => admission.enter(call))).toEqual(['started', 'waiting', 'started'])
    admission.leave(other)
    expect(second.starts).toBe(0)
    admission.leave(running)
    expect(second.starts).toBe(1)
  })

  it('for another one to end are started as soon as it has', () => {
    const admission = new Admission(UNLIMITED)
    const [first, repeated] = [new TestCall(), new TestCall()]
    repeated.ready = false
    expect([admission.enter(first), admission.enter(repeated)]).toEqual(['started', 'waiting'])
    repeated.ready = true
    admission.leave(first)
    expect(repeated.starts).toBe(1)
  })

  it('are started in the place of one whose start failed', () => {
    const admission = new Admission({ ...UNLIMITED, maxConcurrent: 1 })
    const [first, broken, last] = [new TestCall(), new TestCall(), new TestCall()]
    for (const call of [first, broken, last]) admission.enter(call)
    broken.onStart = () => {
      throw new Error('broken')
    }
    expect(() => admission.leave(first)).toThrow('broken')
    admission.leave(broken)
    expect(last.starts).toBe(1)
  })

  it('are given out all at once when nothing is to run any more', () => {
    const admission = new Admission({ ...UNLIMITED, maxConcurrent: 1 })
    const [first, ...waiting] = [0, 1, 2, 0].map((peer) => new TestCall(peers[peer])) as [TestCall, ...TestCall[]]
    for (const call of [first, ...waiting]) admission.enter(call)
    expect(new Set(admission.withdrawAll())).toEqual(new Set(waiting))
    expect(admission.waiting).toBe(0)
    admission.leave(first)
    expect(waiting.map(({ starts }) => starts)).toEqual([0, 0, 0])
  })
})
