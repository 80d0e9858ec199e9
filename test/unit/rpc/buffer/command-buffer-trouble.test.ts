/** A buffer whose store is slow, away for a moment, or holds what nobody can read; and one that is closed while the far end says nothing. */

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { StoreError } from '../../../../src/errors.ts'
import type { BufferOptions } from '../../../../src/rpc/buffer/buffer-options.ts'
import { CommandBuffer } from '../../../../src/rpc/buffer/command-buffer.ts'
import type { FarEnd, Verdict } from '../../../../src/rpc/buffer/far-end.ts'
import { encodeReply } from '../../../../src/rpc/dialect/native/message.ts'
import type { BufferStore } from '../../../../src/store/buffer-store.ts'
import { MemoryStore } from '../../../../src/store/memory-store.ts'
import { simulate } from '../../../../src/testing/index.ts'
import { commandToKeep } from './crashable.ts'

const EXECUTED: Verdict = { kind: 'executed', body: encodeReply('done'), reason: '' }
const AGAIN: Verdict = { kind: 'again', reason: 'not now', counts: false }

/** Answers nothing before it is told to. */
class Silent implements FarEnd {
  readonly name = 'tcp://far:1'
  available = true
  readonly capacity = 100
  readonly keepsOrder = true
  readonly sent: string[] = []
  readonly #answers: ((verdict: Verdict) => void)[] = []

  send({ id }: { id: string }, { signal }: { signal: AbortSignal }): Promise<Verdict> {
    this.sent.push(id)
    return new Promise((resolve) => {
      this.#answers.push(resolve)
      signal.addEventListener('abort', () => resolve(AGAIN))
    })
  }

  answer(): void {
    for (const answer of this.#answers.splice(0)) answer(EXECUTED)
  }
}

/** So many ms pass before anything has been done; `trouble` says what fails. */
function slowly(
  store: BufferStore,
  ms: number | ((method: string) => number),
  trouble: (method: string) => Error | undefined = () => undefined,
): BufferStore {
  return new Proxy(store, {
    get(target, name) {
      const member = Reflect.get(target, name) as unknown
      if (typeof member !== 'function') return member
      if (name === 'count') return member.bind(target)
      return async (...args: unknown[]) => {
        const error = trouble(String(name))
        if (error !== undefined) throw error
        await sleep(typeof ms === 'number' ? ms : ms(String(name)))
        return member.apply(target, args) as unknown
      }
    },
  })
}

async function bufferOf(farEnd: FarEnd, options: BufferOptions): Promise<CommandBuffer> {
  const buffer = new CommandBuffer({ store: new MemoryStore(), outcomes: new MemoryStore({ dedupeWindow: 0 }), ...options }, 'test', () => [
    farEnd,
  ])
  await buffer.open()
  return buffer
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index + 1)

describe('a buffer that is closed', () => {
  it('waits no longer than it was told to for what is on the way', async () => {
    for (let round = 0; round < 50; round++) {
      const farEnd = new Silent()
      const buffer = await bufferOf(farEnd, {})
      await buffer.accept(commandToKeep(1, 'a'))
      while (farEnd.sent.length === 0) await sleep(1)
      // A timer may ring a part of a millisecond before its time.
      const from = performance.now()
      while (performance.now() < from + Math.random());
      const closed = buffer.close(3).then(() => true)
      expect(await Promise.race([closed, sleep(2000).then(() => false)])).toBe(true)
    }
  })
})

describe('a buffer that gives up the oldest', () => {
  it('gives up no more than it has to when many come at a time', () =>
    simulate(async () => {
      const farEnd = new Silent()
      farEnd.available = false
      const buffer = await bufferOf(farEnd, { store: slowly(new MemoryStore(), 2), maxCommands: 100, whenFull: 'dropOldest' })
      for (const n of upTo(100)) await buffer.accept(commandToKeep(n, 'a'))
      await Promise.all(upTo(20).map((n) => buffer.accept(commandToKeep(100 + n, 'a'))))
      expect(buffer.stats()).toMatchObject({ waiting: 100, ended: { dropped: 20 } })
      await buffer.close()
    }))

  it('keeps their order when many come at a time', () =>
    simulate(async () => {
      const farEnd = new Silent()
      farEnd.available = false
      const store = new MemoryStore()
      const buffer = await bufferOf(farEnd, { store: slowly(store, 2), maxCommands: 10, whenFull: 'dropOldest' })
      for (const n of upTo(10)) await buffer.accept(commandToKeep(n, 'a'))
      await Promise.all(
        upTo(20).map(async (n) => {
          await sleep(n)
          await buffer.accept(commandToKeep(10 + n, 'a'))
        }),
      )
      const numbers = (await store.read(0, { count: 100, bytes: 1e6 })).map(({ id }) => Number(id.slice(3)))
      expect(numbers).toEqual(upTo(10).map((n) => 20 + n))
      await buffer.close()
    }))

  it('does not give up what was sent while it gave up others', () =>
    simulate(async () => {
      const farEnd = new Silent()
      farEnd.available = false
      const outcomes = slowly(new MemoryStore({ dedupeWindow: 0 }), 5)
      const store = new MemoryStore({ maxRecords: 20 })
      const buffer = await bufferOf(farEnd, { store, outcomes, whenFull: 'dropOldest' })
      for (const n of upTo(20)) await buffer.accept({ ...commandToKeep(n, `lane ${n}`), key: `id-${n}` })
      const accepted = buffer.accept(commandToKeep(21, 'a'))
      await sleep(12)
      farEnd.available = true
      buffer.changed()
      await accepted
      const dropped: string[] = []
      for (const n of upTo(21)) if ((await buffer.standing(`id-${n}`))?.state === 'dropped') dropped.push(`id-${n}`)
      expect(dropped.length).toBeGreaterThan(0)
      expect(farEnd.sent.filter((id) => dropped.includes(id))).toEqual([])
      await buffer.close()
    }))

  it('goes on once its store is there again, after it had failed to', () =>
    simulate(async () => {
      const farEnd = new Silent()
      farEnd.available = false
      let away = false
      const store = slowly(new MemoryStore(), 1, (method) =>
        away && method === 'read' ? new StoreError('STORE_UNAVAILABLE', 'nobody is there') : undefined,
      )
      const buffer = await bufferOf(farEnd, { store, maxCommands: 5, whenFull: 'dropOldest' })
      for (const n of upTo(5)) await buffer.accept(commandToKeep(n, 'a'))
      away = true
      await expect(buffer.accept(commandToKeep(6, 'a'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      away = false
      await buffer.accept(commandToKeep(7, 'a'))
      expect(buffer.stats()).toMatchObject({ waiting: 5, ended: { dropped: 1 } })
      await buffer.close()
    }))
})

describe('a question about a command', () => {
  it('that was given up is answered with that, when its outcome is forgotten', () =>
    simulate(async () => {
      const farEnd = new Silent()
      farEnd.available = false
      const buffer = await bufferOf(farEnd, { outcomes: new MemoryStore({ maxBytes: 1 }) })
      await buffer.accept(commandToKeep(1, 'a', { ttlMs: 1000 }))
      await sleep(5000)
      expect(buffer.stats()).toMatchObject({ dead: 1, outcomesLost: 1 })
      const outcome = await buffer.result('id-1', new AbortController().signal)
      expect(outcome).toMatchObject({ state: 'dead', reason: expect.stringContaining('expired') })
      expect(outcome.body).toBeDefined()
      await buffer.close()
    }))

  it('finds one that ends while it is looked for', () =>
    simulate(async () => {
      const farEnd = new Silent()
      const store = slowly(new MemoryStore(), (method) => (method === 'find' ? 100 : 1))
      const buffer = await bufferOf(farEnd, { store, outcomes: slowly(new MemoryStore({ dedupeWindow: 0 }), 1) })
      await buffer.accept(commandToKeep(1, 'a'))
      while (farEnd.sent.length === 0) await sleep(10)
      const answered = sleep(200).then(() => farEnd.answer())
      const found = await Promise.all(
        upTo(400).map(async (n) => {
          await sleep(n)
          return (await buffer.standing('id-1'))?.state
        }),
      )
      await answered
      expect(new Set(found)).toEqual(new Set(['waiting', 'executed']))
      await buffer.close()
    }))
})

describe('a record that is none of a buffer', () => {
  it('is put aside wherever it stands, and seen among what was given up', () =>
    simulate(async () => {
      const store = new MemoryStore()
      await store.open()
      await store.append({ id: 'foreign', data: Buffer.from('x'), meta: Buffer.of(99) })
      await store.close()
      const farEnd = new Silent()
      const buffer = await bufferOf(farEnd, { store })
      await buffer.accept(commandToKeep(1, 'a'))
      await sleep(100)
      expect(farEnd.sent).toEqual(['id-1'])
      const [letter] = await buffer.deadLetters()
      expect(letter).toMatchObject({ seq: 1, command: undefined, id: undefined, reason: expect.stringContaining('cannot be read') })
      expect(await buffer.requeue(1)).toBe(true)
      await sleep(100)
      expect(buffer.stats().dead).toBe(1)
      await buffer.close()
    }))
})
