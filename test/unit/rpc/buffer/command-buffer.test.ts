/** What a buffer does with commands that cannot be delivered at once, and with a store that has no room or fails; in virtual time. */

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { StoreError } from '../../../../src/errors.ts'
import type { RpcEvents } from '../../../../src/observability/events.ts'
import type { BufferOptions } from '../../../../src/rpc/buffer/buffer-options.ts'
import { CommandBuffer } from '../../../../src/rpc/buffer/command-buffer.ts'
import type { FarEnd, Verdict } from '../../../../src/rpc/buffer/far-end.ts'
import { type KeptCommand, keptId } from '../../../../src/rpc/buffer/kept-command.ts'
import { encodeError, encodeReply } from '../../../../src/rpc/dialect/native/message.ts'
import { MemoryStore } from '../../../../src/store/memory-store.ts'
import { simulate } from '../../../../src/testing/index.ts'
import { commandToKeep } from './crashable.ts'

const EXECUTED: Verdict = { kind: 'executed', body: encodeReply('done'), reason: '' }
const AGAIN: Verdict = { kind: 'again', reason: 'not now', counts: false }

class Fake implements FarEnd {
  readonly name = 'tcp://far:1'
  available = true
  capacity = 100
  keepsOrder = false
  /** Ids, as they came. */
  readonly sent: string[] = []
  readonly at: number[] = []
  readonly #answer: (command: KeptCommand) => Verdict | Promise<Verdict>

  constructor(answer: (command: KeptCommand) => Verdict | Promise<Verdict> = () => EXECUTED) {
    this.#answer = answer
  }

  async send(command: KeptCommand, { signal }: { signal: AbortSignal }): Promise<Verdict> {
    this.sent.push(command.id)
    this.at.push(performance.now())
    await sleep(1)
    const given = new Promise<Verdict>((resolve) => signal.addEventListener('abort', () => resolve(AGAIN)))
    return Promise.race([this.#answer(command), given])
  }
}

interface Kept {
  buffer: CommandBuffer
  store: MemoryStore
  accept(from: number, to: number, lane?: string, options?: Partial<Parameters<typeof commandToKeep>[2]>): Promise<void>
  done(): Promise<void>
}

async function bufferOf(farEnd: FarEnd, options: BufferOptions = {}, store = new MemoryStore()): Promise<Kept> {
  const outcomes = new MemoryStore({ dedupeWindow: 0 })
  const buffer = new CommandBuffer({ store, outcomes, ...options }, 'test', () => [farEnd])
  await buffer.open()
  return {
    buffer,
    store,
    async accept(from, to, lane = 'a', own = {}) {
      for (let n = from; n <= to; n++) await buffer.accept(commandToKeep(n, lane, own))
    },
    async done() {
      while (buffer.stats().waiting > 0) await sleep(10)
    },
  }
}

const ids = (...numbers: number[]): string[] => numbers.map((n) => `id-${n}`)
const upTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index + 1)

describe('a lane', () => {
  it('is not overtaken within itself where one of its commands finds no room, and the one behind it would', () =>
    simulate(async () => {
      const store = new MemoryStore({ maxBytes: 3000 })
      const { buffer } = await bufferOf(new Fake(() => AGAIN), { maxBytes: 3000 }, store)
      const large = { ...commandToKeep(1, 'a'), body: [Buffer.alloc(4000)] }
      const [first, second, other] = await Promise.allSettled([
        buffer.accept(large),
        buffer.accept(commandToKeep(2, 'a')),
        buffer.accept(commandToKeep(3, 'b')),
      ])
      expect(first).toMatchObject({ status: 'rejected', reason: { code: 'STORE_FULL' } })
      expect(second).toMatchObject({ status: 'rejected', reason: { code: 'STORE_FULL', message: expect.stringContaining('overtake') } })
      expect(other).toMatchObject({ status: 'fulfilled' })
      await buffer.accept(commandToKeep(4, 'a'))
      await buffer.close()
    }))
})

describe('a kept command', () => {
  it('is a dead letter when the far end refuses it, and the next one of its lane goes on', () =>
    simulate(async () => {
      const refusal: Verdict = { kind: 'refused', body: encodeError({ status: 451, text: 'nobody' }), reason: 'nobody (status 451)' }
      const farEnd = new Fake(({ id }) => (id === 'id-2' ? refusal : EXECUTED))
      const { buffer, accept, done } = await bufferOf(farEnd)
      await accept(1, 3)
      await done()
      expect(farEnd.sent).toEqual(ids(1, 2, 3))
      expect(await buffer.deadLetters()).toMatchObject([{ id: 'id-2', command: 'Count', reason: 'refused: nobody (status 451)' }])
      expect(await buffer.standing('id-2')).toMatchObject({ state: 'dead' })
      expect(await buffer.standing('id-3')).toMatchObject({ state: 'executed' })
      await buffer.close()
    }))

  it('is delivered once more when it is requeued, and its new end counts', () =>
    simulate(async () => {
      let wrong = true
      const failed: Verdict = { kind: 'failed', body: encodeError({ status: 463, text: 'no' }), reason: 'no' }
      const farEnd = new Fake(() => (wrong ? failed : EXECUTED))
      const { buffer, accept, done } = await bufferOf(farEnd)
      await accept(1, 1)
      await done()
      const [letter] = await buffer.deadLetters()
      wrong = false
      expect(await buffer.requeue(letter?.seq ?? 0)).toBe(true)
      await done()
      expect(farEnd.sent).toEqual(ids(1, 1))
      expect(await buffer.deadLetters()).toEqual([])
      expect(await buffer.standing('id-1')).toMatchObject({ state: 'executed' })
      expect(await buffer.requeue(99)).toBe(false)
      await buffer.close()
    }))

  it('keeps the key under which it ran anew when it is requeued once more, and nobody knows whether it ran', () =>
    simulate(async () => {
      const failed: Verdict = { kind: 'failed', body: encodeError({ status: 463, text: 'no' }), reason: 'no' }
      const lost: Verdict = { kind: 'again', reason: 'the connection was lost', counts: true }
      const answers = [failed, lost, lost, EXECUTED]
      const keys: (string | undefined)[] = []
      const farEnd = new Fake(({ rerunKey }) => {
        keys.push(rerunKey)
        return answers[keys.length - 1] as Verdict
      })
      const { buffer, accept, done } = await bufferOf(farEnd, { maxAttempts: 1 })
      for (const key of ['id-1', undefined]) {
        keys.length = 0
        await buffer.accept({ ...commandToKeep(1, 'a'), id: key ?? 'of nobody', key })
        await done()
        for (let times = 0; times < 3; times++) {
          const [letter] = await buffer.deadLetters()
          expect(await buffer.requeue(letter?.seq ?? 0)).toBe(true)
          await done()
        }
        const [first, ...others] = keys
        expect(first).toBeUndefined()
        expect(others[0]).toBeTypeOf('string')
        expect(others).toEqual([others[0], others[0], others[0]])
      }
      await accept(9, 9)
      await buffer.close()
    }))

  it('has an outcome of its own, though the key of another one looks like the number of a second end of it', () =>
    simulate(async () => {
      const failed: Verdict = { kind: 'failed', body: encodeError({ status: 463, text: 'no' }), reason: 'no' }
      const { buffer, done } = await bufferOf(new Fake(({ key }) => (key === 'key' ? failed : EXECUTED)))
      for (const key of ['key\n1', 'key']) await buffer.accept({ ...commandToKeep(1, 'a'), id: keptId(undefined, key), key })
      await done()
      expect(await buffer.standing(keptId(undefined, 'key'))).toMatchObject({ state: 'failed' })
      expect(await buffer.standing(keptId(undefined, 'key\n1'))).toMatchObject({ state: 'executed' })
      await buffer.close()
    }))

  it('is given up after so many attempts that may have reached the service', () =>
    simulate(async () => {
      const farEnd = new Fake(() => ({ kind: 'again', reason: 'the connection was lost', counts: true }))
      const { buffer, accept, done } = await bufferOf(farEnd, { maxAttempts: 3 })
      await accept(1, 1)
      await done()
      expect(farEnd.sent).toEqual(ids(1, 1, 1))
      expect((await buffer.deadLetters())[0]?.reason).toContain('3 attempts')
      await buffer.close()
    }))

  it('expires when its time is over, wherever it is, and who waits for it hears that', () =>
    simulate(async () => {
      const farEnd = new Fake()
      farEnd.available = false
      const { buffer, accept, done } = await bufferOf(farEnd)
      await accept(1, 1, 'a', { ttlMs: 3000 })
      await accept(2, 2)
      const outcome = buffer.result('id-1', new AbortController().signal)
      await sleep(5000)
      expect(await outcome).toMatchObject({ state: 'dead', reason: expect.stringContaining('expired') })
      farEnd.available = true
      buffer.changed()
      await done()
      expect(farEnd.sent).toEqual(ids(2))
      await buffer.close()
    }))

  it('is kept once, however often it comes, and told apart from another one with its key', () =>
    simulate(async () => {
      const farEnd = new Fake()
      const { buffer, done } = await bufferOf(farEnd)
      const command = commandToKeep(1, 'a')
      expect(await buffer.accept(command)).toMatchObject({ duplicate: false })
      expect(await buffer.accept(command)).toMatchObject({ duplicate: true })
      await done()
      expect(await buffer.accept(command)).toMatchObject({ duplicate: true })
      await expect(buffer.accept({ ...command, name: 'Other' })).rejects.toMatchObject({ code: 'CONFLICT' })
      await sleep(1000)
      expect(farEnd.sent).toEqual(ids(1))
      await expect(buffer.result('id-9', new AbortController().signal)).rejects.toMatchObject({ code: 'UNKNOWN_RECEIPT' })
      await buffer.close()
    }))
})

describe('delivery', () => {
  it('waits longer and longer where it comes to nothing, while other lanes go on', () =>
    simulate(async () => {
      const farEnd = new Fake(({ lane }) => (lane === 'stuck' ? AGAIN : EXECUTED))
      const { buffer, accept } = await bufferOf(farEnd, { backoffMs: [100, 1000] })
      await accept(1, 5, 'stuck')
      await accept(6, 10, 'free')
      await sleep(10_000)
      const stuck = farEnd.at.filter((_, index) => farEnd.sent[index] === 'id-1')
      expect(stuck.length).toBeGreaterThan(8)
      expect(stuck.length).toBeLessThan(40)
      expect(farEnd.sent.filter((id) => id !== 'id-1')).toEqual(ids(6, 7, 8, 9, 10))
      await buffer.close()
    }))

  it(
    'has a bounded part of a long queue in memory, and gets to all of it, in the order of each lane',
    () =>
      simulate(
        async () => {
          let open = false
          const farEnd = new Fake(({ lane }) => (lane === 'stuck' && !open ? AGAIN : EXECUTED))
          farEnd.available = false
          const store = new MemoryStore()
          const { buffer, accept, done } = await bufferOf(farEnd, { backoffMs: [100, 500] }, store)
          for (let n = 0; n < 60; n++) {
            await accept(n * 100 + 1, n * 100 + 90, 'stuck')
            await accept(n * 100 + 91, n * 100 + 100, `lane ${n % 7}`)
          }
          await sleep(1000)
          farEnd.available = true
          buffer.changed()
          await sleep(60_000)
          expect(buffer.stats().waiting).toBe(60 * 90)
          open = true
          await done()
          const numbers = farEnd.sent.map((id) => Number(id.slice(3)))
          const stuck = [...new Set(numbers.filter((n) => n % 100 >= 1 && n % 100 <= 90))]
          expect(stuck).toEqual([...stuck].sort((a, b) => a - b))
          expect(new Set(numbers).size).toBe(6000)
          await buffer.close()
        },
        { limitMs: 3_600_000 },
      ),
    60_000,
  )

  it('delivers no more of a backlog in a second than it may, and what is new beside it', () =>
    simulate(async () => {
      const farEnd = new Fake()
      farEnd.available = false
      const { buffer, accept } = await bufferOf(farEnd, { drain: { maxPerSecond: 10 } })
      await accept(1, 100, 'old')
      farEnd.available = true
      buffer.changed()
      const from = performance.now()
      await sleep(100)
      await accept(101, 110, 'new')
      await sleep(1900)
      const old = farEnd.sent.filter((id) => Number(id.slice(3)) <= 100).length
      expect(old).toBeGreaterThan(17)
      expect(old).toBeLessThan(24)
      expect(farEnd.sent.filter((id) => Number(id.slice(3)) > 100)).toEqual(ids(101, 102, 103, 104, 105, 106, 107, 108, 109, 110))
      expect(performance.now() - from).toBeLessThan(3000)
      await buffer.close()
    }))

  it('delivers the newest first where that was asked for', () =>
    simulate(async () => {
      const farEnd = new Fake()
      farEnd.available = false
      farEnd.capacity = 1
      const { buffer, accept, done } = await bufferOf(farEnd, { drain: { commands: { Count: { order: 'newestFirst' } } } })
      await accept(1, 1000)
      await sleep(100)
      farEnd.available = true
      buffer.changed()
      await done()
      expect(farEnd.sent[0]).toBe('id-1000')
      expect(farEnd.sent).toEqual(ids(...upTo(1000).reverse()))
      await buffer.close()
    }))

  it('delivers only the last of those with the same key where that was asked for', () =>
    simulate(async () => {
      const farEnd = new Fake()
      farEnd.available = false
      const { buffer, accept, done } = await bufferOf(farEnd, { drain: { commands: { Count: { order: 'lastValue' } } } })
      for (let n = 1; n <= 2000; n++) await accept(n, n, 'a', { valueKey: `${n % 3}` })
      farEnd.available = true
      buffer.changed()
      await done()
      expect([...farEnd.sent].sort()).toEqual(ids(1998, 1999, 2000))
      expect(buffer.stats().ended).toMatchObject({ executed: 3, superseded: 1997 })
      expect(await buffer.standing('id-1')).toMatchObject({ state: 'superseded' })
      await buffer.close()
    }))
})

describe('a buffer without room', () => {
  it('refuses what is too much, and takes more once something has gone', () =>
    simulate(async () => {
      const farEnd = new Fake()
      farEnd.available = false
      const { buffer, accept, done } = await bufferOf(farEnd, { maxCommands: 10 })
      await accept(1, 10)
      await expect(accept(11, 11)).rejects.toMatchObject({ code: 'STORE_FULL', started: 'no' })
      farEnd.available = true
      buffer.changed()
      await done()
      await accept(11, 11)
      await buffer.close()
    }))

  it('gives up the oldest for what is new where that was asked for, and says so', () =>
    simulate(async () => {
      const farEnd = new Fake()
      farEnd.available = false
      const { buffer, accept, done } = await bufferOf(farEnd, { maxCommands: 10, whenFull: 'dropOldest' })
      await accept(1, 25)
      expect(buffer.stats()).toMatchObject({ waiting: 10, ended: { dropped: 15 } })
      expect(await buffer.standing('id-3')).toMatchObject({ state: 'dropped' })
      farEnd.available = true
      buffer.changed()
      await done()
      expect(farEnd.sent).toEqual(ids(16, 17, 18, 19, 20, 21, 22, 23, 24, 25))
      await buffer.close()
    }))

  it('does the same when the store itself is full', () =>
    simulate(async () => {
      const farEnd = new Fake()
      farEnd.available = false
      const { buffer, accept } = await bufferOf(farEnd, { whenFull: 'dropOldest' }, new MemoryStore({ maxRecords: 100 }))
      await accept(1, 150)
      expect(buffer.stats().ended.dropped).toBeGreaterThanOrEqual(50)
      expect(buffer.stats().waiting).toBeLessThanOrEqual(100)
      await buffer.close()
    }))
})

describe('dead letters', () => {
  const REFUSED: Verdict = { kind: 'refused', body: encodeError({ status: 451, text: 'nobody' }), reason: 'nobody (status 451)' }

  it('do not fill the buffer: beyond a quarter of its bytes the oldest of them go, and that is told', () =>
    simulate(async () => {
      const maxBytes = 20_000
      const told: RpcEvents['zmq-rpc:buffer:forgotten'][] = []
      const hear = (event: unknown): void => void told.push(event as RpcEvents['zmq-rpc:buffer:forgotten'])
      subscribe('zmq-rpc:buffer:forgotten', hear)
      const { buffer, accept, done } = await bufferOf(new Fake(() => REFUSED), { maxBytes }, new MemoryStore({ maxBytes }))
      await accept(1, 100)
      await done()
      await accept(101, 200)
      await done()
      unsubscribe('zmq-rpc:buffer:forgotten', hear)
      const { dead, deadBytes, forgotten } = buffer.stats()
      expect(deadBytes).toBeLessThanOrEqual(maxBytes / 4)
      expect(deadBytes).toBeGreaterThan(maxBytes / 5)
      expect(dead + forgotten).toBe(200)
      expect((await buffer.deadLetters()).map(({ id }) => id)).toEqual(ids(...upTo(200).slice(-dead)))
      expect(told.reduce((sum, { count }) => sum + count, 0)).toBe(forgotten)
      expect(told.at(-1)).toMatchObject({ buffer: 'test', dead: expect.any(Number), deadBytes: expect.any(Number) })
      await buffer.close()
    }))

  it('are no more than so many, also when it is opened with a lower limit', () =>
    simulate(async () => {
      const store = new MemoryStore()
      const { buffer, accept, done } = await bufferOf(new Fake(() => REFUSED), { deadLetters: { maxCount: 10 } }, store)
      await accept(1, 25)
      await done()
      expect((await buffer.deadLetters()).map(({ id }) => id)).toEqual(ids(...upTo(25).slice(-10)))
      expect(await buffer.standing('id-1')).toMatchObject({ state: 'dead' })
      await buffer.close()
      const { buffer: next } = await bufferOf(new Fake(), { deadLetters: { maxCount: 3 } }, store)
      expect((await next.deadLetters()).map(({ id }) => id)).toEqual(ids(23, 24, 25))
      expect(next.stats()).toMatchObject({ dead: 3, forgotten: 7 })
      await next.close()
    }))

  it('that are being requeued make no other one go, and are not told as forgotten', () =>
    simulate(async () => {
      const store = new MemoryStore()
      const [requeue, dropDead] = [store.requeue.bind(store), store.dropDead.bind(store)]
      const leaving = new Set<number>()
      store.requeue = async (seq) => {
        leaving.add(seq)
        await sleep(1000)
        leaving.delete(seq)
        return requeue(seq)
      }
      store.dropDead = async (seqs) => {
        await sleep(1)
        await dropDead(seqs.filter((seq) => !leaving.has(seq)))
      }
      let verdict = REFUSED
      const { buffer, accept, done } = await bufferOf(new Fake(() => verdict), { deadLetters: { maxCount: 2 } }, store)
      await accept(1, 2)
      await done()
      const [first] = await buffer.deadLetters()
      const requeued = buffer.requeue(first?.seq ?? 0)
      await sleep(10)
      await accept(3, 3)
      await sleep(100)
      verdict = EXECUTED
      expect(await requeued).toBe(true)
      await done()
      expect((await buffer.deadLetters()).map(({ id }) => id)).toEqual(ids(2, 3))
      expect(buffer.stats()).toMatchObject({ dead: 2, forgotten: 0 })
      await buffer.close()
    }))

  it('all stay where the store does not tell how many bytes they are, as one of somebody else may', () =>
    simulate(async () => {
      class Silent extends MemoryStore {
        override count(): ReturnType<MemoryStore['count']> {
          return { ...super.count(), deadBytes: undefined as unknown as number }
        }
      }
      const { buffer, accept, done } = await bufferOf(new Fake(() => REFUSED), {}, new Silent())
      await accept(1, 20)
      await done()
      expect(buffer.stats()).toMatchObject({ dead: 20, forgotten: 0 })
      await buffer.close()
    }))

  it('are there when whoever waits for the result hears of the failure', () =>
    simulate(async () => {
      const store = new MemoryStore()
      const deadLetter = store.deadLetter.bind(store)
      store.deadLetter = async (...args) => {
        await sleep(50)
        await deadLetter(...args)
      }
      const { buffer, accept } = await bufferOf(new Fake(() => REFUSED), {}, store)
      await accept(1, 1)
      await buffer.result('id-1', new AbortController().signal)
      expect(await buffer.deadLetters()).toMatchObject([{ id: 'id-1' }])
      await buffer.close()
    }))

  it('are counted once, however often the store could not be reached', () =>
    simulate(async () => {
      const store = new MemoryStore()
      const deadLetter = store.deadLetter.bind(store)
      let trouble = 3
      store.deadLetter = (...args) =>
        trouble-- > 0 ? Promise.reject(new StoreError('STORE_UNAVAILABLE', 'the store is away')) : deadLetter(...args)
      const { buffer, accept, done } = await bufferOf(new Fake(() => REFUSED), {}, store)
      await accept(1, 1)
      await done()
      expect(buffer.stats()).toMatchObject({ dead: 1, ended: { dead: 1 } })
      await buffer.close()
    }))
})

describe('a buffer whose store fails', () => {
  it('accepts nothing until it is open again, and then delivers all that it had', () =>
    simulate(async () => {
      const farEnd = new Fake()
      farEnd.available = false
      const disk = new MemoryStore()
      let broken = false
      const store = (): MemoryStore =>
        new Proxy(disk, {
          get(target, name) {
            const member = Reflect.get(target, name) as unknown
            if (typeof member !== 'function') return member
            if (!broken || name === 'close' || name === 'count') return member.bind(target)
            return () => Promise.reject(new StoreError('STORE_FAILED', 'the disk is gone'))
          },
        })
      const outcomes = new MemoryStore({ dedupeWindow: 0 })
      const buffer = new CommandBuffer({ store, outcomes: () => outcomes }, 'test', () => [farEnd])
      await buffer.open()
      for (let n = 1; n <= 5; n++) await buffer.accept(commandToKeep(n, 'a'))
      broken = true
      await expect(buffer.accept(commandToKeep(6, 'a'))).rejects.toMatchObject({ code: 'STORE_FAILED' })
      await expect(buffer.accept(commandToKeep(7, 'a'))).rejects.toMatchObject({ code: 'STORE_FAILED', started: 'no' })
      await sleep(5000)
      expect(buffer.stats().open).toBe(false)
      broken = false
      await sleep(40_000)
      expect(buffer.stats().open).toBe(true)
      await buffer.accept(commandToKeep(8, 'a'))
      farEnd.available = true
      buffer.changed()
      await sleep(1000)
      expect(farEnd.sent).toEqual(ids(1, 2, 3, 4, 5, 8))
      await buffer.close()
    }))
})
