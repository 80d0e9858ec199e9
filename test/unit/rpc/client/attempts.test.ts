import { getEventListeners } from 'node:events'
import { performance } from 'node:perf_hooks'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ErrorCode, ZmqRpcError } from '../../../../src/errors.ts'
import { type AttemptedCall, Attempts, type HedgeOptions, type RetryOptions, resolveAttempts } from '../../../../src/rpc/client/attempts.ts'
import { Balancer, type Choice } from '../../../../src/rpc/client/balancer.ts'
import { RetryBudget, type RetryBudgetOptions } from '../../../../src/rpc/client/retry-budget.ts'

/** What an attempt comes to, if it is neither aborted nor runs out of time before. */
interface Outcome {
  readonly afterMs: number
  /** Undefined: a good answer. */
  readonly error?: ErrorCode | undefined
}

interface Attempt {
  readonly endpoint: string
  readonly startMs: number
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly earlier: number
  endMs: number | undefined
  /** Attempts that had been made when it ended. */
  madeAtEnd: number
  outcome: ErrorCode | 'good' | undefined
}

/** Calls that go to nowhere: what each attempt comes to is said beforehand. */
class Simulation {
  readonly attempts: Attempt[] = []
  readonly budget: RetryBudget
  readonly startMs = performance.now()
  readonly #attempts: Attempts<Choice>
  readonly #outcomes: readonly Outcome[]

  constructor(outcomes: readonly Outcome[], { links = 3, budget }: { links?: number | Choice[]; budget?: RetryBudgetOptions } = {}) {
    this.#outcomes = outcomes
    this.budget = new RetryBudget(budget)
    const all = typeof links === 'number' ? [...'abcdef'].slice(0, links).map((endpoint) => link(endpoint)) : links
    this.#attempts = new Attempts(all, new Balancer('roundRobin'), this.budget)
  }

  run({
    retry,
    hedge,
    ...call
  }: { retry?: RetryOptions; hedge?: HedgeOptions } & Partial<AttemptedCall<Choice, unknown>>): Promise<string> {
    return this.#attempts.run<string>(
      {
        command: 'Get',
        timeoutMs: 10_000,
        signal: undefined,
        repeatable: true,
        ...call,
        attempt: (link, timeoutMs, signal, earlier) => this.#attempt(link, timeoutMs, signal, earlier),
      },
      resolveAttempts(retry, hedge),
    )
  }

  /** `endpoint start-end outcome` of each attempt. */
  get log(): string[] {
    return this.attempts.map(({ endpoint, startMs, endMs, outcome }) => `${endpoint} ${startMs}-${endMs} ${outcome}`)
  }

  get underWay(): Attempt[] {
    return this.attempts.filter(({ endMs }) => endMs === undefined)
  }

  #attempt({ endpoint }: Choice, timeoutMs: number, signal: AbortSignal | undefined, earlier: number): Promise<string> {
    const startMs = performance.now() - this.startMs
    const attempt: Attempt = { endpoint, startMs, timeoutMs, signal, earlier, endMs: undefined, madeAtEnd: 0, outcome: undefined }
    const { afterMs, error } = this.#outcomes[this.attempts.length] ?? { afterMs: 1 }
    this.attempts.push(attempt)
    return new Promise((resolve, reject) => {
      const end = (outcome: ErrorCode | 'good'): void => {
        clearTimeout(timer)
        clearTimeout(timeout)
        signal?.removeEventListener('abort', aborted)
        if (attempt.endMs !== undefined) return
        attempt.endMs = performance.now() - this.startMs
        attempt.madeAtEnd = this.attempts.length
        attempt.outcome = outcome
        if (outcome === 'good') resolve(`from ${endpoint}`)
        else reject(new ZmqRpcError(outcome, `attempt ${earlier}`, { endpoint }))
      }
      const aborted = (): void => end('ABORTED')
      const timer = setTimeout(() => end(error ?? 'good'), afterMs)
      const timeout = timeoutMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(() => end('TIMED_OUT'), timeoutMs)
      if (signal?.aborted) aborted()
      else signal?.addEventListener('abort', aborted)
    })
  }
}

const link = (endpoint: string, changes: Partial<Choice> = {}): Choice => ({
  endpoint,
  available: true,
  refused: false,
  callCount: 0,
  ...changes,
})

const unhandled: unknown[] = []
const note = (reason: unknown): unknown => unhandled.push(reason)

beforeEach(() => {
  process.on('unhandledRejection', note)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'], now: 0 })
  vi.spyOn(performance, 'now').mockImplementation(() => Date.now())
  // The longest wait there can be.
  vi.spyOn(Math, 'random').mockReturnValue(1)
})

afterEach(() => {
  process.off('unhandledRejection', note)
  expect(vi.getTimerCount(), 'timers that are left').toBe(0)
  vi.useRealTimers()
  vi.restoreAllMocks()
  expect(unhandled.splice(0)).toEqual([])
})

/** What it comes to, once all is over. */
async function outcomeOf(result: Promise<string>): Promise<string> {
  const outcome = result.catch((error: ZmqRpcError) => error.code)
  await vi.runAllTimersAsync()
  return outcome
}

const RETRY: RetryOptions = { maxAttempts: 3, backoffMs: 100, maxBackoffMs: 150 }

describe('a call that is retried', () => {
  it('ends with the first good answer, each attempt at another server, the waits doubling up to their limit', async () => {
    const simulation = new Simulation([{ afterMs: 5, error: 'OVERLOADED' }, { afterMs: 5, error: 'CONNECTION_LOST' }, { afterMs: 5 }])
    expect(await outcomeOf(simulation.run({ retry: RETRY }))).toBe('from c')
    expect(simulation.log).toEqual(['a 0-5 OVERLOADED', 'b 105-110 CONNECTION_LOST', 'c 260-265 good'])
    expect(simulation.attempts.map(({ earlier }) => earlier)).toEqual([0, 1, 2])
  })

  it('waits a random part of the time, so that a crowd does not come back at once', async () => {
    vi.mocked(Math.random).mockReturnValue(0.25)
    const simulation = new Simulation([{ afterMs: 5, error: 'OVERLOADED' }])
    await outcomeOf(simulation.run({ retry: RETRY }))
    expect(simulation.attempts[1]?.startMs).toBe(30)
  })

  it('ends with the last error when its attempts are used up', async () => {
    const simulation = new Simulation([
      { afterMs: 5, error: 'OVERLOADED' },
      { afterMs: 5, error: 'OVERLOADED' },
      { afterMs: 5, error: 'SHUTTING_DOWN' },
    ])
    expect(await outcomeOf(simulation.run({ retry: RETRY }))).toBe('SHUTTING_DOWN')
    expect(simulation.attempts).toHaveLength(3)
  })

  it('ends at once with an error that is the answer', async () => {
    for (const error of ['SERVICE_FAILED', 'BAD_COMMAND', 'NOT_ALLOWED', 'AUTH_REFUSED', 'BAD_REPLY', 'CLOSED', 'ABORTED'] as const) {
      const simulation = new Simulation([{ afterMs: 5, error }])
      expect(await outcomeOf(simulation.run({ retry: RETRY }))).toBe(error)
      expect(simulation.attempts).toHaveLength(1)
    }
  })

  it('ends at once with what is no error of ours', async () => {
    const attempts = new Attempts([link('a')], new Balancer('roundRobin'), new RetryBudget())
    const error = new TypeError('an application knows better')
    const attempt = vi.fn(() => Promise.reject(error))
    const call = { command: 'Get', timeoutMs: 1000, signal: undefined, repeatable: true, attempt }
    await expect(attempts.run(call, resolveAttempts(RETRY, undefined))).rejects.toBe(error)
    expect(attempt).toHaveBeenCalledTimes(1)
  })

  it('that may not be carried out twice, is tried again only if it was surely not carried out', async () => {
    const lost = new Simulation([{ afterMs: 5, error: 'CONNECTION_LOST' }])
    expect(await outcomeOf(lost.run({ retry: RETRY, repeatable: false }))).toBe('CONNECTION_LOST')
    const refused = new Simulation([{ afterMs: 5, error: 'SHUTTING_DOWN' }])
    expect(await outcomeOf(refused.run({ retry: RETRY, repeatable: false }))).toBe('from b')
  })

  it('has its own time and no more: what would begin too late is not waited for', async () => {
    const simulation = new Simulation([
      { afterMs: 5, error: 'OVERLOADED' },
      { afterMs: 5, error: 'OVERLOADED' },
    ])
    const result = simulation.run({ retry: RETRY, timeoutMs: 200 }).catch((error: ZmqRpcError) => error.code)
    await vi.advanceTimersByTimeAsync(110)
    expect(await result).toBe('OVERLOADED')
    expect(simulation.attempts.map(({ timeoutMs }) => timeoutMs)).toEqual([200, 95])
  })

  it('is not tried again when the process was too busy to do so in time', async () => {
    const simulation = new Simulation([{ afterMs: 5, error: 'OVERLOADED' }])
    const result = simulation.run({ retry: RETRY, timeoutMs: 200 }).catch((error: ZmqRpcError) => error.code)
    await vi.advanceTimersByTimeAsync(50)
    vi.setSystemTime(500)
    await vi.advanceTimersByTimeAsync(100)
    expect(await result).toBe('OVERLOADED')
    expect(simulation.attempts).toHaveLength(1)
  })

  it('may give each attempt a part of its time', async () => {
    const simulation = new Simulation([{ afterMs: 9999 }, { afterMs: 20 }])
    expect(await outcomeOf(simulation.run({ retry: { ...RETRY, attemptTimeoutMs: 50 } }))).toBe('from b')
    expect(simulation.log).toEqual(['a 0-50 TIMED_OUT', 'b 150-170 good'])
  })

  it('is not tried again when the budget is used up', async () => {
    const simulation = new Simulation([{ afterMs: 5, error: 'OVERLOADED' }], { budget: { ratio: 0, minPerSecond: 0 } })
    expect(await outcomeOf(simulation.run({ retry: RETRY }))).toBe('OVERLOADED')
  })

  it('goes to the same server again when there is no other that takes calls', async () => {
    const simulation = new Simulation([{ afterMs: 5, error: 'OVERLOADED' }], { links: [link('a'), link('b', { available: false })] })
    expect(await outcomeOf(simulation.run({ retry: RETRY }))).toBe('from a')
  })

  it('may be given up while it waits to be tried again', async () => {
    const controller = new AbortController()
    const simulation = new Simulation([{ afterMs: 5, error: 'OVERLOADED' }])
    const result = simulation.run({ retry: RETRY, signal: controller.signal })
    const caught = result.catch((error: ZmqRpcError) => error)
    await vi.advanceTimersByTimeAsync(50)
    controller.abort(new Error('the user left'))
    expect(await caught).toMatchObject({ code: 'ABORTED', endpoint: 'a', command: 'Get', started: 'no', cause: controller.signal.reason })
    expect(simulation.attempts).toHaveLength(1)
  })

  it('may be given up in the very moment in which an attempt fails', async () => {
    const attempts = new Attempts([link('a')], new Balancer('roundRobin'), new RetryBudget())
    const controller = new AbortController()
    const attempt = vi.fn(() => {
      queueMicrotask(() => controller.abort())
      return Promise.reject(new ZmqRpcError('OVERLOADED', 'too much to do'))
    })
    const call = { command: 'Get', timeoutMs: 1000, signal: controller.signal, repeatable: true, attempt }
    await expect(attempts.run(call, resolveAttempts(RETRY, undefined))).rejects.toMatchObject({ code: 'ABORTED' })
    expect(attempt).toHaveBeenCalledTimes(1)
  })

  it('leaves nothing on the signal of its caller', async () => {
    const { signal } = new AbortController()
    const simulation = new Simulation([{ afterMs: 5, error: 'OVERLOADED' }])
    await outcomeOf(simulation.run({ retry: RETRY, hedge: { delayMs: 1 }, signal }))
    expect(simulation.attempts.length).toBeGreaterThan(1)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('that was given up before, makes one attempt, which says so', async () => {
    const simulation = new Simulation([])
    expect(await outcomeOf(simulation.run({ retry: RETRY, hedge: { delayMs: 10 }, signal: AbortSignal.abort() }))).toBe('ABORTED')
    expect(simulation.attempts).toHaveLength(1)
  })

  it('without any server, fails', async () => {
    expect(await outcomeOf(new Simulation([], { links: 0 }).run({ retry: RETRY }))).toBe('BAD_OPTION')
  })
})

describe('a call that is hedged', () => {
  const HEDGE: HedgeOptions = { delayMs: 50 }

  it('is made once when its answer comes in time', async () => {
    const simulation = new Simulation([{ afterMs: 49 }])
    expect(await outcomeOf(simulation.run({ hedge: HEDGE }))).toBe('from a')
    expect(simulation.attempts).toHaveLength(1)
  })

  it('is made at another server when its answer takes long; the first good answer wins, and the other attempt is given up', async () => {
    const simulation = new Simulation([{ afterMs: 500 }, { afterMs: 20 }])
    expect(await outcomeOf(simulation.run({ hedge: HEDGE }))).toBe('from b')
    expect(simulation.log).toEqual(['a 0-70 ABORTED', 'b 50-70 good'])
    const first = new Simulation([{ afterMs: 80 }, { afterMs: 500 }])
    expect(await outcomeOf(first.run({ hedge: HEDGE }))).toBe('from a')
    expect(first.log).toEqual(['a 0-80 good', 'b 50-80 ABORTED'])
  })

  it('has as many attempts under way as it may, one after each delay', async () => {
    const simulation = new Simulation([{ afterMs: 500 }, { afterMs: 500 }, { afterMs: 500 }, { afterMs: 1 }], { links: 4 })
    expect(await outcomeOf(simulation.run({ hedge: { delayMs: 50, maxAttempts: 3 } }))).toBe('from a')
    expect(simulation.log).toEqual(['a 0-500 good', 'b 50-500 ABORTED', 'c 100-500 ABORTED'])
  })

  it('is not when it may not be carried out twice, has no other server, or no budget', async () => {
    const unrepeatable = new Simulation([{ afterMs: 500 }])
    expect(await outcomeOf(unrepeatable.run({ hedge: HEDGE, repeatable: false }))).toBe('from a')
    const alone = new Simulation([{ afterMs: 500 }], { links: [link('a'), link('b', { available: false })] })
    expect(await outcomeOf(alone.run({ hedge: HEDGE }))).toBe('from a')
    const poor = new Simulation([{ afterMs: 500 }], { budget: { ratio: 0, minPerSecond: 0 } })
    expect(await outcomeOf(poor.run({ hedge: HEDGE }))).toBe('from a')
    expect([unrepeatable, alone, poor].map(({ attempts }) => attempts.length)).toEqual([1, 1, 1])
  })

  it('waits for the other attempt when one fails in a way that leaves hope, and ends with an error that is the answer', async () => {
    const hope = new Simulation([{ afterMs: 60, error: 'CONNECTION_LOST' }, { afterMs: 100 }])
    expect(await outcomeOf(hope.run({ hedge: HEDGE }))).toBe('from b')
    const answer = new Simulation([{ afterMs: 500 }, { afterMs: 10, error: 'SERVICE_FAILED' }])
    expect(await outcomeOf(answer.run({ hedge: HEDGE }))).toBe('SERVICE_FAILED')
    expect(answer.log).toEqual(['a 0-60 ABORTED', 'b 50-60 SERVICE_FAILED'])
  })

  it('is retried when all attempts under way have failed, as long as it may make more', async () => {
    const outcomes: Outcome[] = [{ afterMs: 60, error: 'CONNECTION_LOST' }, { afterMs: 20, error: 'OVERLOADED' }, { afterMs: 5 }]
    const simulation = new Simulation(outcomes)
    expect(await outcomeOf(simulation.run({ hedge: HEDGE, retry: RETRY }))).toBe('from c')
    expect(simulation.log).toEqual(['a 0-60 CONNECTION_LOST', 'b 50-70 OVERLOADED', 'c 170-175 good'])
  })

  it('is given up as a whole', async () => {
    const controller = new AbortController()
    const simulation = new Simulation([{ afterMs: 500 }, { afterMs: 500 }])
    const result = simulation.run({ hedge: HEDGE, signal: controller.signal }).catch((error: ZmqRpcError) => error.code)
    await vi.advanceTimersByTimeAsync(60)
    controller.abort()
    expect(await result).toBe('ABORTED')
    expect(simulation.underWay).toEqual([])
  })
})

describe('options', () => {
  it('have defaults', () => {
    expect(resolveAttempts({}, { delayMs: 10 })).toEqual({
      maxAttempts: 3,
      backoffMs: 50,
      maxBackoffMs: 2000,
      attemptTimeoutMs: Number.POSITIVE_INFINITY,
      retries: true,
      hedge: { delayMs: 10, maxAttempts: 2 },
    })
    expect(resolveAttempts(undefined, undefined)).toMatchObject({ maxAttempts: 1, retries: false, hedge: undefined })
  })

  it('are checked', () => {
    expect(() => resolveAttempts({ maxAttempts: 0 }, undefined)).toThrow('[BAD_OPTION] retry.maxAttempts is 0, not a number from 1 up')
    expect(() => resolveAttempts(undefined, { delayMs: 0 })).toThrow('[BAD_OPTION] hedge.delayMs is 0')
  })
})

const SAFE: ErrorCode[] = ['NOT_CONNECTED', 'QUEUE_FULL', 'OVERLOADED', 'SHUTTING_DOWN', 'EXPIRED']
const OPEN: ErrorCode[] = ['TIMED_OUT', 'CONNECTION_LOST', 'PROXY_FAILED']
const FINAL: ErrorCode[] = ['SERVICE_FAILED', 'BAD_COMMAND', 'BAD_REPLY', 'AUTH_REFUSED', 'CLOSED']

it('whatever the attempts come to: in time, not too many, nothing twice that may not be, one result, nothing left behind', async () => {
  const outcome = fc.record({
    afterMs: fc.oneof(fc.nat(100), fc.nat(2000)),
    error: fc.option(fc.constantFrom(...SAFE, ...SAFE, ...OPEN, ...OPEN, ...FINAL), { nil: undefined }),
  })
  const scenario = fc.record({
    outcomes: fc.array(outcome, { minLength: 8, maxLength: 8 }),
    links: fc.array(fc.record({ available: fc.boolean(), refused: fc.boolean() }), { minLength: 1, maxLength: 4 }),
    repeatable: fc.boolean(),
    timeoutMs: fc.oneof(fc.nat(400), fc.nat(5000), fc.constant(Number.POSITIVE_INFINITY)),
    abortAfterMs: fc.option(fc.nat(1500), { nil: undefined }),
    random: fc.double({ min: 0, max: 0.999, noNaN: true }),
    budget: fc.record({ ratio: fc.constantFrom(0, 0.5), minPerSecond: fc.constantFrom(0, 0.2, 5) }),
    retry: fc.option(
      fc.record({
        maxAttempts: fc.integer({ min: 1, max: 6 }),
        backoffMs: fc.nat(300),
        maxBackoffMs: fc.nat(1000),
        attemptTimeoutMs: fc.constantFrom(50, 500, Number.POSITIVE_INFINITY),
      }),
      { nil: undefined },
    ),
    hedge: fc.option(fc.record({ delayMs: fc.integer({ min: 1, max: 500 }), maxAttempts: fc.integer({ min: 1, max: 4 }) }), {
      nil: undefined,
    }),
  })
  await fc.assert(
    fc.asyncProperty(scenario, async ({ outcomes, links, repeatable, timeoutMs, abortAfterMs, random, budget, retry, hedge }) => {
      vi.mocked(Math.random).mockReturnValue(random)
      const choices = links.map((changes, index) => link(`link${index}`, changes))
      const simulation = new Simulation(outcomes, { links: choices, budget })
      const controller = new AbortController()
      const abort = abortAfterMs === undefined ? undefined : setTimeout(() => controller.abort(), abortAfterMs)
      const { signal } = controller
      let endMs: number | undefined
      const result = await Promise.race([
        simulation
          .run({ repeatable, timeoutMs, signal, ...(retry && { retry }), ...(hedge && { hedge }) })
          .catch((error: ZmqRpcError) => error.code)
          .finally(() => {
            endMs = performance.now() - simulation.startMs
            clearTimeout(abort)
          }),
        vi.runAllTimersAsync().then(() => 'never ended'),
      ])
      const { attempts } = simulation
      expect(result).not.toBe('never ended')

      const retried = retry === undefined ? 1 : retry.maxAttempts
      const hedges = hedge === undefined || !repeatable || links.length < 2 ? 1 : hedge.maxAttempts
      expect(attempts.length, 'attempts').toBeLessThanOrEqual(Math.max(retried, hedges, hedge?.maxAttempts ?? 1))
      if (retried === 1) expect(attempts.length).toBeLessThanOrEqual(hedges)
      expect(attempts.length - 1, 'paid attempts').toBeLessThanOrEqual(
        10 * budget.minPerSecond + budget.ratio + (budget.minPerSecond * (endMs as number)) / 1000 + 1e-6,
      )
      expect(simulation.underWay, 'attempts after the end').toEqual([])

      for (const [index, { startMs, timeoutMs: given, signal, outcome, endMs: ended, madeAtEnd }] of attempts.entries()) {
        expect(startMs + given, 'deadline of an attempt').toBeLessThanOrEqual(timeoutMs)
        if (index > 0) expect(given, 'time of an attempt').toBeGreaterThanOrEqual(1)
        const others = attempts.filter(
          (other, place) => place !== index && other.startMs < (ended as number) && (other.endMs as number) > startMs,
        )
        if (!repeatable || hedge === undefined) expect(others, 'at the same time').toEqual([])
        expect(others.length).toBeLessThan(hedges)
        // Who lost was told.
        if (outcome === 'ABORTED') expect(signal?.aborted).toBe(true)
        if (madeAtEnd === attempts.length) continue
        expect(FINAL, 'what is tried again').not.toContain(outcome)
        if (!repeatable) expect(SAFE, 'what may not be carried out twice and is tried again').toContain(outcome)
      }

      const good = attempts.filter(({ outcome }) => outcome === 'good')
      if (result.startsWith('from ')) expect(result).toBe(`from ${good[0]?.endpoint}`)
      else expect(good, 'good answers that were not given to the caller').toEqual([])
      if (result === 'ABORTED') expect(endMs, 'when it was given up').toBe(abortAfterMs)
      else if (abortAfterMs !== undefined) expect(endMs).toBeLessThanOrEqual(abortAfterMs)
      expect(vi.getTimerCount(), 'timers that are left').toBe(0)
    }),
    { numRuns: 1000 },
  )
})

it.each([5000, Number.POSITIVE_INFINITY])(
  'the error of the last attempt says that it is, and not that nothing was carried out if one before it may have been; with %s ms',
  async (timeoutMs) => {
    const links = [
      { endpoint: 'a', available: true, refused: false, callCount: 0 },
      { endpoint: 'b', available: true, refused: false, callCount: 0 },
    ]
    const attempts = new Attempts(links, new Balancer('roundRobin'), new RetryBudget())
    const errors = [new ZmqRpcError('CONNECTION_LOST', 'lost'), new ZmqRpcError('NOT_CONNECTED', 'it was not sent')]
    const call = attempts.run(
      {
        command: 'Greet',
        timeoutMs,
        signal: undefined,
        repeatable: true,
        attempt: (_link, _timeoutMs, _signal, earlier) => Promise.reject(errors[earlier]),
      },
      resolveAttempts({ maxAttempts: 2, backoffMs: 0 }, undefined),
    )
    const ended = expect(call).rejects.toMatchObject({
      code: 'NOT_CONNECTED',
      started: 'maybe',
      message: '[NOT_CONNECTED] it was not sent; this was attempt 2, after 0 ms in all; an attempt before it may have been carried out',
      stack: expect.stringContaining('in all; an attempt before it may have been carried out'),
    })
    await vi.runAllTimersAsync()
    await ended
  },
)

it('a call that waits to be tried again ends at once when the client is closed', async () => {
  const links = [{ endpoint: 'a', available: true, refused: false, callCount: 0 }]
  const attempts = new Attempts(links, new Balancer('roundRobin'), new RetryBudget())
  const call = attempts.run(
    {
      command: 'Greet',
      timeoutMs: 60_000,
      signal: undefined,
      repeatable: true,
      attempt: () => Promise.reject(new ZmqRpcError('CONNECTION_LOST', 'lost')),
    },
    resolveAttempts({ maxAttempts: 2, backoffMs: 10_000, maxBackoffMs: 10_000 }, undefined),
  )
  const ended = expect(call).rejects.toMatchObject({ code: 'CLOSED', started: 'maybe' })
  await vi.advanceTimersByTimeAsync(0)
  attempts.close()
  await ended
})
