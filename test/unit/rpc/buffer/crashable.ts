/** A store whose program can end in the midst of what it does, and the far end of a buffer, which outlives it. */

import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '../../../../src/errors.ts'
import type { Attempt, FarEnd, Verdict } from '../../../../src/rpc/buffer/far-end.ts'
import type { CommandToKeep, KeptCommand } from '../../../../src/rpc/buffer/kept-command.ts'
import { encodeError, encodeReply } from '../../../../src/rpc/dialect/native/message.ts'
import type { BufferStore } from '../../../../src/store/buffer-store.ts'

const never = new Promise<never>(() => {})

/** Over a store that outlives it: what is asked of it takes its time, and once it has crashed nobody hears of anything any more. */
export function crashable(disk: BufferStore, slowly: () => Promise<unknown>): { store: BufferStore; crash(): void } {
  let crashed = false
  let closed = false
  let tail: Promise<unknown> = Promise.resolve()
  const store = new Proxy(disk, {
    get(target, name) {
      const member = Reflect.get(target, name) as unknown
      if (typeof member !== 'function' || name === 'count') return typeof member === 'function' ? member.bind(target) : member
      if (name === 'open') return member.bind(target)
      return (...args: unknown[]) => {
        if (closed) return Promise.reject(new StoreError('CLOSED', 'the store is closed'))
        closed = name === 'close'
        // One after the other, as they were asked for.
        const result = tail.then(() => (crashed ? never : (member.apply(target, args) as Promise<unknown>)))
        tail = result.then(slowly, slowly)
        return result.then(slowly).then(() => (crashed ? never : result))
      }
    },
  })
  return {
    store,
    crash: () => {
      crashed = true
      void disk.close()
    },
  }
}

/** Whom commands go to: it carries each out once per id, those of a lane in order, and fails in every way there is. */
export class World {
  /** Ids by lane, in the order in which they were carried out. */
  readonly executed = new Map<string, string[]>()
  readonly #answers = new Map<string, Verdict>()
  /** What the next attempts come to, besides the plain way. */
  readonly #chance: () => number
  up = true

  constructor(chance: () => number) {
    this.#chance = chance
  }

  /** As one run of the program sees it; `gone` ends that. */
  connect(options: { keepsOrder: boolean; changed(): void }): FarEnd & { gone(): void } {
    let gone = false
    /** A connection that was lost is not made again at once. */
    let away = false
    const world = this
    /** All that is on the way is lost with it, at once. */
    let connection = newConnection()
    return {
      name: 'tcp://far:1',
      capacity: options.keepsOrder ? 100 : 10,
      keepsOrder: options.keepsOrder,
      get available() {
        return world.up && !gone && !away
      },
      gone() {
        gone = true
      },
      send(command: KeptCommand, attempt: Attempt): Promise<Verdict> {
        return Promise.race([connection.lost, answer(command, attempt, connection)])
      },
    }
    async function answer(command: KeptCommand, { signal, inOrder, behind }: Attempt, own: Connection): Promise<Verdict> {
      const { lane } = command
      const turn = own.turns.get(lane) ?? Promise.resolve()
      let done = (): void => {}
      if (inOrder)
        own.turns.set(
          lane,
          turn.then(
            () =>
              new Promise((resolve) => {
                done = resolve as () => void
              }),
          ),
        )
      try {
        if (inOrder) await turn
        await sleep(1 + Math.floor(world.#chance() * 5))
        if (gone || own !== connection) return await never
        if (signal.aborted) return { kind: 'again', reason: 'it was given up', counts: false }
        if (inOrder && !behind) own.standing.delete(lane)
        if (inOrder && own.standing.has(lane)) return { kind: 'again', reason: 'out of turn', counts: false }
        const verdict = world.#carryOut(command)
        if (verdict.kind === 'again') own.standing.add(lane)
        if (verdict.kind !== 'again' || !verdict.counts) return verdict
        connection = newConnection()
        away = true
        setTimeout(() => {
          away = false
          options.changed()
        }, 2)
        own.lose()
        return await never
      } finally {
        done()
      }
    }
  }

  #carryOut(command: KeptCommand): Verdict {
    const { id, lane } = command
    const chance = this.#chance()
    if (chance < 0.1) return { kind: 'again', reason: 'it has too much to do', counts: false }
    const answer = this.#answers.get(id) ?? this.#run(id, lane)
    return chance < 0.2 ? { kind: 'again', reason: 'the answer was lost', counts: true } : answer
  }

  #run(id: string, lane: string): Verdict {
    const ids = this.executed.get(lane) ?? []
    this.executed.set(lane, [...ids, id])
    const chance = this.#chance()
    const refusal = [encodeError({ status: 463, text: 'no' })].flat()
    const answer: Verdict =
      chance < 0.1 ? { kind: 'failed', body: refusal, reason: 'no' } : { kind: 'executed', body: encodeReply(id), reason: '' }
    this.#answers.set(id, answer)
    return answer
  }
}

interface Connection {
  readonly turns: Map<string, Promise<unknown>>
  /** Lanes of which one was not carried out. */
  readonly standing: Set<string>
  readonly lost: Promise<Verdict>
  lose(): void
}

function newConnection(): Connection {
  let lose = (): void => {}
  const lost = new Promise<Verdict>((resolve) => {
    lose = () => resolve({ kind: 'again', reason: 'the connection was lost', counts: true })
  })
  return { turns: new Map(), standing: new Set(), lost, lose }
}

/** A command by its number. */
export function commandToKeep(n: number, lane: string, options: Partial<CommandToKeep> = {}): CommandToKeep {
  const id = `id-${n}`
  return {
    id,
    key: id,
    name: 'Count',
    dialect: 'native',
    body: [Buffer.from(`${n}`)],
    lane,
    ordered: true,
    user: undefined,
    ttlMs: Number.POSITIVE_INFINITY,
    valueKey: undefined,
    ...options,
  }
}
