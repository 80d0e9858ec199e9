import { AsyncLocalStorage } from 'node:async_hooks'
import { readFile } from 'node:fs/promises'
import { performance as imported } from 'node:perf_hooks'
import { setTimeout as timersSetTimeout } from 'node:timers'
import { scheduler, setTimeout as sleep, setImmediate as soon, setInterval as ticks } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StuckError, type VirtualTime, virtualTime } from '../../../src/testing/index.ts'

const HOUR = 3_600_000

let time: VirtualTime

beforeEach(() => {
  time = virtualTime()
})

afterEach(() => time.uninstall())

describe('virtual time', () => {
  it('stands still by itself', async () => {
    let fired = false
    setTimeout(() => {
      fired = true
    }, 1)
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    expect([fired, time.now, performance.now() - imported.now()]).toEqual([false, 0, 0])
  })

  it('is over in no time at all', async () => {
    const before = process.cpuUsage()
    await time.run(sleep(24 * HOUR), { limitMs: 100 * HOUR })
    expect(time.now).toBe(24 * HOUR)
    expect(process.cpuUsage(before).user).toBeLessThan(500_000)
  })

  it('moves by what was asked for, and all that is due by then has happened', async () => {
    const fired: number[] = []
    for (const ms of [30, 10, 20, 40]) setTimeout(() => fired.push(ms), ms)
    await time.advance(30)
    expect(fired).toEqual([10, 20, 30])
    await time.advance(9.5)
    expect([fired.length, time.now]).toEqual([3, 39.5])
    await time.advance(0.5)
    expect(fired).toEqual([10, 20, 30, 40])
  })

  it('lets promises and ticks run between two timers that are due at once', async () => {
    const order: string[] = []
    setTimeout(() => {
      order.push('first')
      process.nextTick(() => order.push('tick'))
      void Promise.resolve()
        .then(() => order.push('promise'))
        .then(() => order.push('its own'))
    }, 5)
    setTimeout(() => order.push('second'), 5)
    await time.advance(5)
    expect(order).toEqual(['first', 'tick', 'promise', 'its own', 'second'])
  })

  it('moves while a function runs that waits for it in the middle', async () => {
    const seen: number[] = []
    const result = await time.run(async () => {
      for (let round = 0; round < 3; round++) {
        await sleep(100)
        seen.push(time.now)
      }
      await time.advance(1000)
      return time.now
    })
    expect(seen).toEqual([100, 200, 300])
    expect(result).toBe(1300)
  })

  it('moves until a condition is true, and no further', async () => {
    let count = 0
    const interval = setInterval(() => count++, 10)
    await time.runUntil(() => count === 7)
    expect(time.now).toBe(70)
    clearInterval(interval)
  })

  it('fires in the order of time, and at one time in the order of setting', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ ms: fc.integer({ min: 1, max: 20 }), cleared: fc.boolean() })), async (timers) => {
        const fired: number[] = []
        const started = timers.map(({ ms }, index) => setTimeout(() => fired.push(index), ms))
        for (const [index, { cleared }] of timers.entries()) if (cleared) clearTimeout(started[index])
        await time.advance(20)
        const expected = [...timers.keys()].filter((index) => !timers[index]?.cleared)
        expected.sort((a, b) => (timers[a]?.ms ?? 0) - (timers[b]?.ms ?? 0) || a - b)
        expect(fired).toEqual(expected)
        expect(time.pending).toEqual([])
      }),
    )
  })

  it('goes by while a program never rests', async () => {
    let turns = 0
    const again = (): void => {
      turns++
      setImmediate(again)
    }
    again()
    await time.advance(1)
    expect(turns).toBeLessThan(2000)
  })

  it('is what every clock says', async () => {
    const [wall, monotonic, precise] = [Date.now(), performance.now(), process.hrtime.bigint()]
    const [seconds] = process.hrtime()
    await time.advance(90_000.5)
    expect(Date.now() - wall).toBe(90_000)
    expect(performance.now() - monotonic).toBe(90_000.5)
    expect(process.hrtime.bigint() - precise).toBe(90_000_500_000n)
    expect(process.hrtime([seconds, 0])[0]).toBe(90)
    expect(new Date().toISOString()).toBe('2026-01-01T00:01:30.000Z')
    expect(new Date()).toBeInstanceOf(Date)
    expect(new Date().constructor).toBe(Date)
    expect(new Date(0).getTime()).toBe(0)
    expect(Date.UTC(1970, 0, 2)).toBe(86_400_000)
    expect(Date()).toContain('2026')
    class Later extends Date {}
    expect(new Later()).toBeInstanceOf(Later)
    expect(new Later().getTime()).toBe(Date.now())
  })

  it('begins when it is told to', () => {
    time.uninstall()
    time = virtualTime({ startAt: new Date('1999-12-31T23:59:59Z') })
    expect(new Date().getFullYear()).toBeLessThan(2001)
    expect(new Date().toISOString()).toBe('1999-12-31T23:59:59.000Z')
  })

  it('is installed once at a time', () => {
    expect(() => virtualTime()).toThrow('installed already')
  })

  it('leaves everything as it was', () => {
    const { setTimeout: virtual, Date: virtualDate } = globalThis
    time.uninstall()
    expect(globalThis.setTimeout).not.toBe(virtual)
    expect(globalThis.Date).not.toBe(virtualDate)
    expect(new Date().constructor).toBe(Date)
    expect(timersSetTimeout).toBe(globalThis.setTimeout)
    expect(Object.hasOwn(performance, 'now')).toBe(false)
    time.uninstall()
  })

  it('lets a real timer from before be cleared', () => {
    time.uninstall()
    const timer = setTimeout(() => {
      throw new Error('it was cleared')
    }, 0)
    time = virtualTime()
    clearTimeout(timer)
  })
})

describe('timers', () => {
  it('pass arguments, and run as the timer', async () => {
    const seen: unknown[] = []
    const timer = setTimeout(
      function (this: unknown, ...args: unknown[]) {
        seen.push(this === timer, ...args)
      },
      1,
      'a',
      2,
    )
    await time.advance(1)
    expect(seen).toEqual([true, 'a', 2])
  })

  it('are cleared by object, by number, by text, by close and by using; what is none is no harm', async () => {
    let fired = 0
    const fire = (): void => {
      fired++
    }
    clearTimeout(setTimeout(fire, 1))
    clearTimeout(+setTimeout(fire, 1))
    clearTimeout(String(+setTimeout(fire, 1)))
    setTimeout(fire, 1).close()
    setTimeout(fire, 1)[Symbol.dispose]()
    clearInterval(setInterval(fire, 1))
    clearImmediate(setImmediate(fire))
    clearTimeout(undefined)
    clearTimeout(12345)
    await time.advance(10)
    expect(fired).toBe(0)
  })

  it('take times as Node does: whole milliseconds, at least one', async () => {
    const fired: unknown[] = []
    for (const ms of [0, -5, Number.NaN, 2 ** 31, undefined, 1.9]) setTimeout(() => fired.push(ms), ms)
    await time.advance(1)
    expect(fired).toHaveLength(6)
  })

  it('refuse what is no function', () => {
    expect(() => setTimeout('no' as unknown as () => void, 1)).toThrow(TypeError)
  })

  it('start anew by refresh, before and after they have fired', async () => {
    let fired = 0
    const timer = setTimeout(() => fired++, 10)
    await time.advance(8)
    timer.refresh()
    await time.advance(8)
    expect(fired).toBe(0)
    await time.advance(2)
    expect(fired).toBe(1)
    timer.refresh()
    await time.advance(10)
    expect(fired).toBe(2)
  })

  it('know whether they hold the process up', () => {
    const timer = setTimeout(() => {}, 1)
    expect(timer.hasRef()).toBe(true)
    expect(timer.unref().hasRef()).toBe(false)
    expect(timer.ref().hasRef()).toBe(true)
  })

  it('repeat until they are cleared, by themselves too', async () => {
    const at: number[] = []
    const interval = setInterval(() => {
      at.push(time.now)
      if (at.length === 3) clearInterval(interval)
    }, 5)
    await time.advance(100)
    expect(at).toEqual([5, 10, 15])
  })

  it('keep the context of whoever set them', async () => {
    const who = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    who.run('Ada', () => setTimeout(() => seen.push(who.getStore()), 1))
    await who.run('Eve', () => time.advance(1))
    expect(seen).toEqual(['Ada'])
  })

  it('that throw fail who waits', async () => {
    setTimeout(() => {
      throw new Error('out of paper')
    }, 5)
    await expect(time.run(sleep(10))).rejects.toThrow('out of paper')
    await time.advance(10)
  })

  it('of node:timers and of its promises are these', async () => {
    const seen: unknown[] = []
    timersSetTimeout(() => seen.push('module'), 1)
    void sleep(2, 'promise').then((value) => seen.push(value))
    void promisify(setTimeout)(3, 'promisified').then((value) => seen.push(value))
    void soon('immediate').then((value) => seen.push(value))
    void scheduler.wait(4).then(() => seen.push('scheduler'))
    await time.advance(4)
    expect(seen).toEqual(['immediate', 'module', 'promise', 'promisified', 'scheduler'])
  })

  it('of promises are given up by their signal', async () => {
    const controller = new AbortController()
    const pending = sleep(10, undefined, { signal: controller.signal })
    setTimeout(() => controller.abort('enough'), 5)
    await expect(time.run(pending)).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: 'enough' })
    await expect(sleep(1, undefined, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    expect(time.pending).toEqual([])
  })

  it('of promises tick until the loop is left', async () => {
    const at: number[] = []
    await time.run(async () => {
      for await (const value of ticks(5, 'tick')) {
        at.push(time.now)
        expect(value).toBe('tick')
        if (at.length === 3) break
      }
    })
    expect(at).toEqual([5, 10, 15])
    expect(time.pending).toEqual([])
  })

  it('end AbortSignal.timeout', async () => {
    const signal = AbortSignal.timeout(250)
    await time.advance(249)
    expect(signal.aborted).toBe(false)
    await time.advance(1)
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' })
  })
})

describe('who waits in vain', () => {
  it('is told when nothing can happen any more', async () => {
    const never = time.run(new Promise(() => {}))
    await expect(never).rejects.toThrow(StuckError)
    await expect(never).rejects.toThrow('nothing can happen any more')
    await expect(never).rejects.toMatchObject({ stack: expect.stringContaining('virtual-time.test.ts') })
    await expect(time.runUntil(() => false)).rejects.toThrow('the condition is still waited for')
  })

  it('is told at the limit, with what would come next', async () => {
    setInterval(() => {}, 60_000)
    const never = time.run(new Promise(() => {}), { limitMs: 120_500 })
    await expect(never).rejects.toThrow(/after 120500.00 ms of virtual time: .*limit[\s\S]*interval in 59500.00 ms/)
  })

  it('has the error of the condition', async () => {
    const broken = (): boolean => {
      throw new Error('no such thing')
    }
    await expect(time.runUntil(broken)).rejects.toThrow('no such thing')
  })

  it('is told when time is real again', async () => {
    const never = time.run(new Promise(() => {}))
    time.uninstall()
    await expect(never).rejects.toThrow('uninstalled')
    await expect(time.advance(1)).rejects.toThrow(StuckError)
  })

  it('cannot go back', async () => {
    await expect(time.advance(-1)).rejects.toThrow(RangeError)
    await expect(time.advance(Number.NaN)).rejects.toThrow(RangeError)
  })
})

describe('what takes real time', () => {
  it('is waited for when it is a file', async () => {
    const timedOut = sleep(10).then(() => 'too late')
    const text = await time.run(Promise.race([readFile(import.meta.filename, 'utf8'), timedOut]))
    expect(text).toContain('what takes real time')
    expect(time.now).toBe(0)
    await time.run(timedOut)
  })

  it('is waited for when time is told to hold', async () => {
    const worker = new Worker('require("node:worker_threads").parentPort.postMessage("done")', { eval: true })
    const answer = new Promise((resolve) => worker.once('message', resolve))
    const first = await time.run(Promise.race([time.hold(answer), sleep(1)]))
    expect(first).toBe('done')
    await worker.terminate()
  })

  it('may still come when nothing else can happen', async () => {
    const worker = new Worker('require("node:worker_threads").parentPort.postMessage("done")', { eval: true })
    const answer = new Promise((resolve) => worker.once('message', resolve))
    await time.hold(new Promise((resolve) => worker.once('online', resolve)))
    expect(await time.run(answer)).toBe('done')
    await worker.terminate()
  })
})
