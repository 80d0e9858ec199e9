/** A buffer's store in a real NATS JetStream: what it demands of the servers, and that it keeps its word when they are killed. */

import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StoreError } from '../../../src/errors.ts'
import { JetStreamStore, type JetStreamStoreOptions } from '../../../src/store/jetstream/index.ts'
import { encodeDead, encodeRecord, Subjects, tokenOf } from '../../../src/store/jetstream/message.ts'
import { LineProcess } from '../../helpers/line-process.ts'
import { NatsServers } from '../../helpers/nats.ts'
import { peer } from '../../helpers/peers.ts'

const current = peer('nats-server')
const old = peer('old-nats-server')

const ALL = { count: 1_000_000, bytes: Number.POSITIVE_INFINITY }
const record = (id: string, text = id) => ({ id, data: Buffer.from(text) })

let names = 0
const freshName = (): string => `buffer-${++names}`

async function ids(store: JetStreamStore): Promise<string[]> {
  return (await store.read(0, ALL)).map(({ id }) => id)
}

async function opened(options: JetStreamStoreOptions): Promise<JetStreamStore> {
  const store = new JetStreamStore(options)
  await store.open()
  return store
}

async function failure(promise: Promise<unknown>): Promise<StoreError> {
  return promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: StoreError) => error,
  )
}

describe('options', () => {
  const nats = { servers: '127.0.0.1:1' }

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['no name', { nats, durability: 'os-cache' }, /name has to be/],
    ['a name that would be several subjects', { name: 'a.b', nats, durability: 'os-cache' }, /name has to be/],
    ['no servers', { name: 'a' }, /nats is missing/],
    ['a promise that nobody can prove', { name: 'a', nats }, /has to be proved/],
    ['an unknown promise', { name: 'a', nats, durability: 'strong' }, /durability is one of/],
    ['two replicas', { name: 'a', nats, replicas: 2, durability: 'os-cache' }, /replicas is 1, 3 or 5/],
    ['a misspelt option', { name: 'a', nats, durability: 'os-cache', maxrecords: 3 }, /no option maxrecords: is maxRecords meant/],
    ['a limit below its range', { name: 'a', nats, durability: 'os-cache', maxRecords: 0 }, /maxRecords is a whole number/],
  ])('with %s are refused', (_, options, text) => {
    expect(() => new JetStreamStore(options as unknown as JetStreamStoreOptions)).toThrow(text)
  })

  it('that lead nowhere make open fail, not hang', async () => {
    const store = new JetStreamStore({ name: 'a', nats: { ...nats, timeout: 500 }, durability: 'os-cache' })
    expect(await failure(store.open())).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })
})

describe.skipIf(!old.available)("Debian's nats-server", () => {
  it('is refused, whatever it would promise', async () => {
    const servers = await NatsServers.start({ command: old.command, sync: false })
    try {
      const { nats, monitors } = servers
      for (const durability of ['fsync', 'os-cache'] as const) {
        const error = await failure(new JetStreamStore({ name: 'old', nats, monitors, durability }).open())
        expect(error).toMatchObject({ code: 'DURABILITY_TOO_WEAK' })
        expect(error.message).toMatch(/version 2\.9\.\d+, and a buffer needs 2\.12/)
      }
    } finally {
      await servers.stop()
    }
  })
})

describe.skipIf(!current.available)('a server that syncs now and then', () => {
  let servers: NatsServers

  beforeAll(async () => {
    servers = await NatsServers.start({ command: current.command, sync: false })
  })
  afterAll(() => servers.stop())

  it.each([['system'], ['monitors']] as const)('is found out through %s, and named', async (way) => {
    const options = { name: freshName(), nats: servers.nats, durability: 'fsync', [way]: servers[way] } as const
    const error = await failure(new JetStreamStore(options).open())
    expect(error).toMatchObject({ code: 'DURABILITY_TOO_WEAK' })
    expect(error.message).toMatch(/do not say that they sync each message: n0\. Set jetstream \{ sync_interval: always \}/)
  })

  it('will do for who accepts it by name', async () => {
    const store = await opened({ name: freshName(), nats: servers.nats, durability: 'os-cache' })
    expect(store.durability).toBe('os-cache')
    await store.append(record('a'))
    expect(await ids(store)).toEqual(['a'])
    await store.close()
  })
})

describe.skipIf(!current.available)('a server that syncs each message', () => {
  let servers: NatsServers
  const options = (more: Partial<JetStreamStoreOptions> = {}): JetStreamStoreOptions => ({
    name: freshName(),
    nats: servers.nats,
    system: servers.system,
    durability: 'fsync',
    ...more,
  })

  beforeAll(async () => {
    servers = await NatsServers.start({ command: current.command, sync: true })
  })
  afterAll(() => servers.stop())

  it.each([['system'], ['monitors']] as const)('proves it through %s', async (way) => {
    const store = await opened({ name: freshName(), nats: servers.nats, durability: 'fsync', [way]: servers[way] })
    expect(store.durability).toBe('fsync')
    await store.close()
  })

  it('does not make a quorum alone', async () => {
    const error = await failure(new JetStreamStore(options({ durability: 'quorum+fsync', replicas: 1 })).open())
    expect(error).toMatchObject({ code: 'DURABILITY_TOO_WEAK' })
    expect(error.message).toMatch(/replicas: 1, and quorum\+fsync needs 3/)
  })

  it('refuses a monitor that does not answer', async () => {
    const store = new JetStreamStore({ name: freshName(), nats: servers.nats, durability: 'fsync', monitors: ['http://127.0.0.1:1'] })
    expect(await failure(store.open())).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('lets one process in at a time, and the next one when it is done', async () => {
    const shared = options()
    const first = await opened(shared)
    const error = await failure(new JetStreamStore(shared).open())
    expect(error).toMatchObject({ code: 'STORE_LOCKED', pid: process.pid })
    await first.close()
    await (await opened(shared)).close()
  })

  it('lets another process in when the first one was killed, and its lease is over', async () => {
    const shared = options({ leaseMs: 3000 })
    const holder = startProcess(shared)
    await holder.ask({ verb: 'append', record: 'a' })
    await holder.kill()
    expect(await failure(new JetStreamStore(shared).open())).toMatchObject({ code: 'STORE_LOCKED' })
    const next = await untilDone(() => opened(shared))
    expect(await ids(next)).toEqual(['a'])
    await next.close()
  })

  it('tells a process that stood still for so long that another one has the store now', async () => {
    const shared = options({ leaseMs: 3000 })
    const holder = startProcess(shared)
    await holder.ask({ verb: 'append', record: 'a' })
    holder.signal('SIGSTOP')
    const next = await untilDone(() => opened(shared))
    holder.signal('SIGCONT')
    let code: string | undefined
    for (let index = 0; code === undefined; index++) {
      const answer = await holder.ask<{ code?: string }>({ verb: 'append', record: `late-${index}` })
      code = answer.code
    }
    expect(code).toBe('STORE_LOCKED')
    await holder.close()
    await next.close()
  })

  it('knows an id that was carried out, also when it is opened again', async () => {
    const shared = options()
    const store = await opened(shared)
    const { seq } = await store.append(record('a'))
    await store.ack([seq])
    expect(await store.append(record('a'))).toEqual({ seq, duplicate: true })
    await store.close()
    const again = await opened(shared)
    expect(await again.append(record('a'))).toEqual({ seq, duplicate: true })
    expect(again.count().live).toBe(0)
    await again.close()
  })

  it('finishes what a crash interrupted: an acknowledgement, giving up, putting back', async () => {
    const shared = options()
    const store = await opened(shared)
    for (const id of ['ended', 'dead', 'requeued', 'not yet dead']) await store.append(record(id))
    await store.deadLetter(3, 'why')
    await store.close()
    // What the servers have when the power goes right behind the journal, or behind the first half of the step.
    const nats = await connect(servers.nats)
    const client = jetstream(nats)
    const subjects = new Subjects(shared.name)
    const journal = (kind: string, id: string, seq: number) =>
      client.publish(subjects.journal, JSON.stringify({ kind, records: [[seq, tokenOf(id)]] }))
    await journal('ended', 'ended', 1)
    await journal('dead', 'dead', 2)
    await client.publish(subjects.dead(tokenOf('dead'), 2), encodeDead(2, 'why', encodeRecord(record('dead'))))
    await journal('requeued', 'requeued', 3)
    await client.publish(subjects.live(tokenOf('requeued')), encodeRecord(record('requeued')))
    await journal('dead', 'not yet dead', 4)
    await nats.close()

    const again = await opened(shared)
    expect(await ids(again)).toEqual(['not yet dead', 'requeued'])
    expect((await again.readDead(0, ALL)).map(({ id }) => id)).toEqual(['dead'])
    expect(again.count()).toMatchObject({ live: 2, dead: 1 })
    await again.close()
  })

  it('forgets the oldest ids only, and keeps its journal short', async () => {
    const shared = options({ dedupeWindow: 50 })
    const store = await opened(shared)
    for (let index = 0; index < 400; index++) {
      const { seq } = await store.append(record(`id-${index}`))
      await store.ack([seq])
    }
    await store.close()
    const again = await opened(shared)
    for (let index = 350; index < 400; index++) expect((await again.append(record(`id-${index}`))).duplicate).toBe(true)
    expect((await again.append(record('id-0'))).duplicate).toBe(false)
    await again.close()
    const nats = await connect(servers.nats)
    const { state } = await (await jetstreamManager(nats)).streams.info(`${shared.name}_journal`)
    expect(state.messages).toBeLessThan(250)
    await nats.close()
  })

  it('says that it is full, and takes more when there is room again', async () => {
    const store = await opened(options({ maxRecords: 2 }))
    const { seq } = await store.append(record('a'))
    await store.append(record('b'))
    expect(await failure(store.append(record('c')))).toMatchObject({ code: 'STORE_FULL', written: false, started: 'no' })
    await store.ack([seq])
    expect((await store.append(record('c'))).duplicate).toBe(false)
    expect(await ids(store)).toEqual(['b', 'c'])
    await store.close()
  })

  it('refuses what no server takes', async () => {
    const store = await opened(options())
    const error = await failure(store.append({ id: 'big', data: Buffer.alloc(2 * 1024 * 1024) }))
    expect(error).toMatchObject({ code: 'RECORD_TOO_LARGE', written: false })
    await store.close()
  })

  it('reads what lies between two gaps, in order', async () => {
    const store = await opened(options())
    const seqs = await Promise.all(Array.from({ length: 300 }, (_, index) => store.append(record(`${index}`)))).then((all) =>
      all.map(({ seq }) => seq),
    )
    const gone = seqs.filter((seq) => seq % 7 < 3 || (seq > 100 && seq < 200))
    await store.ack(gone)
    const left = seqs.filter((seq) => !gone.includes(seq))
    expect((await store.read(0, ALL)).map(({ seq }) => seq)).toEqual(left)
    expect((await store.read(150, { count: 10, bytes: 1e9 })).map(({ seq }) => seq)).toEqual(left.filter((seq) => seq > 150).slice(0, 10))
    await store.close()
  })

  it('is unavailable while the server is away, and goes on by itself when it is back', async () => {
    const alone = await NatsServers.start({ command: current.command, sync: true })
    try {
      const { nats, system } = alone
      const store = await opened({ name: 'away', nats, system, durability: 'fsync', timeoutMs: 500 })
      await store.append(record('a'))
      await alone.kill(0)
      expect(await failure(store.append(record('b')))).toMatchObject({ code: 'STORE_UNAVAILABLE', retrySafe: 'repeatable' })
      await alone.startServer(0)
      await untilDone(() => store.append(record('b')))
      expect(await ids(store)).toEqual(['a', 'b'])
      await store.close()
    } finally {
      await alone.stop()
    }
  })
})

describe.skipIf(!current.available)('a cluster of three', () => {
  let servers: NatsServers

  beforeAll(async () => {
    servers = await NatsServers.start({ command: current.command, sync: true, servers: 3 })
  })
  afterAll(() => servers.stop())

  const open = (name: string, more: Partial<JetStreamStoreOptions> = {}): Promise<JetStreamStore> =>
    untilDone(() => opened({ name, nats: servers.nats, system: servers.system, timeoutMs: 2000, leaseMs: 3000, ...more }))

  it('keeps everything that it acknowledged when one of them is killed, whichever it is', async () => {
    const store = await open('quorum')
    expect(store.durability).toBe('quorum+fsync')
    const acknowledged: string[] = []
    let next = 0
    for (let victim = 0; victim < 3; victim++) {
      let stop = false
      const writing = Array.from({ length: 10 }, async () => {
        while (!stop) {
          const id = `${next++}`
          await untilDone(() => store.append(record(id)))
          acknowledged.push(id)
        }
      })
      const target = acknowledged.length + 200
      while (acknowledged.length < target) await delay(5)
      await servers.kill(victim)
      const after = acknowledged.length + 200
      while (acknowledged.length < after) await delay(5)
      await servers.startServer(victim)
      stop = true
      await Promise.all(writing)
    }
    const kept = await untilDone(() => ids(store))
    expect(new Set(kept).size).toBe(kept.length)
    expect(new Set(kept)).toEqual(new Set(acknowledged))
    await store.close()
  }, 120_000)

  it('has it all when the power comes back after all three were without', async () => {
    const store = await open('power')
    const names = Array.from({ length: 300 }, (_, index) => `p${index}`)
    await Promise.all(names.map((id) => untilDone(() => store.append(record(id)))))
    const first = await store.read(0, { count: 100, bytes: 1e9 })
    await untilDone(() => store.ack(first.map(({ seq }) => seq)))
    await servers.killAll()
    await Promise.all([0, 1, 2].map((index) => servers.startServer(index)))
    await store.close()
    const again = await open('power')
    expect(await untilDone(() => ids(again))).toEqual(names.slice(100))
    expect((await again.append(record('p0'))).duplicate).toBe(true)
    await again.close()
  }, 120_000)
})

function startProcess(options: JetStreamStoreOptions): LineProcess {
  const program = fileURLToPath(new URL('../../helpers/jetstream-process.ts', import.meta.url))
  return new LineProcess(process.execPath, ['--import', 'tsx', program, JSON.stringify(options)])
}

/** As whoever uses a remote store has to: again, with the same id, as long as it is unavailable. */
async function untilDone<T>(attempt: () => Promise<T>): Promise<T> {
  const giveUpAt = Date.now() + 60_000
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      const { code } = error as StoreError
      if ((code !== 'STORE_UNAVAILABLE' && code !== 'STORE_LOCKED') || Date.now() > giveUpAt) throw error
      await delay(50)
    }
  }
}
