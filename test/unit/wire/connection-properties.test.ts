/** What holds for connections whatever is said, and however it is cut. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Message } from '../../../src/wire/frame.ts'
import type { AuthAnswer } from '../../../src/wire/mechanism/mechanism.ts'
import { bytes, command, greeting, Recorder, type RecorderOptions, ready, typed } from './helpers.ts'

const MiB = 1024 * 1024
const PONG = bytes('04 05 04"PONG"')
const PING = bytes('04 07 04"PING" 0000')

/** Numbers below a bound that look like chance, the same for the same seed (mulberry32). */
function chance(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

function filled(size: number, seed: number): Buffer {
  return Buffer.alloc(size, Buffer.from(`${seed},${size};`))
}

interface End {
  recorder: Recorder
  outgoing: Message[]
  /** Bytes on the way to this end. */
  inbox: Buffer
  paused: boolean
}

/** Carries bytes between two ends, in chunks and with pauses by chance, until nothing can move any more. */
function carry(ends: readonly [End, End], random: (below: number) => number, onStep: () => void): void {
  const busy = ({ recorder: { connection }, outgoing, inbox, paused }: End): boolean =>
    connection.outputBytes > 0 || inbox.length > 0 || paused || (connection.state === 'traffic' && outgoing.length > 0)
  while (ends.some(busy)) {
    ends.forEach((end, index) => {
      const { recorder, outgoing } = end
      const { connection } = recorder
      const other = ends[1 - index] as End
      if (connection.state === 'traffic' && outgoing.length > 0 && random(2) === 0) connection.send(outgoing.shift() as Message)
      if (connection.outputBytes > 0 && random(3) > 0) other.inbox = Buffer.concat([other.inbox, recorder.said()])
      // A chunk may still come after a pause, from a transport that had read it already.
      if (end.inbox.length > 0 && (!end.paused || random(8) === 0)) {
        const chunk = Buffer.from(end.inbox.subarray(0, 1 + random(1 << random(18))))
        end.inbox = end.inbox.subarray(chunk.length)
        connection.receive(chunk, recorder.now)
      }
      if (end.paused && random(2) === 0) {
        end.paused = false
        connection.resume(recorder.now)
      }
    })
    onStep()
  }
}

const sizes = fc.oneof(
  { weight: 40, arbitrary: fc.constantFrom(0, 1, 254, 255, 256, 257, 2047, 2048, 2049) },
  { weight: 4, arbitrary: fc.constantFrom(65_535, 65_536) },
  { weight: 1, arbitrary: fc.integer({ min: MiB, max: MiB + 100_000 }) },
)

const traffic = fc.array(fc.array(sizes, { minLength: 1, maxLength: 4 }), { maxLength: 15 })
const seeds = fc.integer()

describe('two connections joined in memory', () => {
  const credentials = ['user', 'secret'] as const
  const check = (password: string): AuthAnswer => (password === 'secret' ? { status: 200, user: 'user' } : { status: 400 })
  const cases: { name: string; left: RecorderOptions; right: RecorderOptions }[] = [
    { name: 'NULL', left: {}, right: { type: 'ROUTER' } },
    {
      name: 'PLAIN',
      left: { plain: credentials },
      right: { type: 'ROUTER', plain: 'server', answer: (asked) => check(asked.mechanism === 'PLAIN' ? asked.password : '') },
    },
    { name: 'PLAIN, answered later', left: { plain: credentials }, right: { type: 'ROUTER', plain: 'server' } },
  ]

  it.each(cases)('deliver everything in order, with any chunks and pauses: $name', ({ left, right }) => {
    fc.assert(
      fc.property(traffic, traffic, seeds, (fromLeft, fromRight, seed) => {
        const random = chance(seed)
        const message = (frameSizes: number[], seed: number): Message => frameSizes.map((size) => filled(size, seed))
        const end = (options: RecorderOptions, messages: Message[]): End => {
          const created: End = { recorder: new Recorder(options), outgoing: [...messages], inbox: Buffer.alloc(0), paused: false }
          created.recorder.onEvent = (line) => {
            if (!line.startsWith('message') || random(3) > 0) return
            created.paused = true
            created.recorder.connection.pause()
          }
          return created
        }
        const there = fromLeft.map(message)
        const back = fromRight.map(message)
        const ends = [end(left, there), end(right, back)] as const
        carry(ends, random, () => {
          const { connection, log } = ends[1].recorder
          if (log[0]?.startsWith('authenticate') && random(5) === 0) connection.answer({ status: 200, user: 'user' }, 0)
        })
        if (ends[1].recorder.connection.state === 'handshake') {
          ends[1].recorder.connection.answer({ status: 200, user: 'user' }, 0)
          carry(ends, random, () => {})
        }
        const same = (got: Message[], sent: Message[]): boolean =>
          got.length === sent.length &&
          got.every((frames, index) => {
            const wanted = sent[index] as Message
            return frames.length === wanted.length && frames.every((frame, part) => frame.equals(wanted[part] as Buffer))
          })
        expect(ends.map(({ recorder }) => recorder.connection.state)).toEqual(['traffic', 'traffic'])
        expect(same(ends[1].recorder.messages, there)).toBe(true)
        expect(same(ends[0].recorder.messages, back)).toBe(true)
        expect(ends[0].recorder.info?.socketType).toBe('ROUTER')
        expect(ends[1].recorder.info?.socketType).toBe('DEALER')
      }),
      { numRuns: 100 },
    )
  })

  it.each([
    { status: 300, heard: 'nothing', client: 'handshake' },
    { status: 400, heard: 'the peer refused the credentials (400)', client: 'closed' },
    { status: 500, heard: 'the peer refused the credentials (500)', client: 'closed' },
  ] as const)('end at once or later when the answer is $status, and the client hears $heard', ({ status, heard, client }) => {
    fc.assert(
      fc.property(seeds, fc.boolean(), (seed, atOnce) => {
        const options: RecorderOptions = { type: 'ROUTER', plain: 'server', ...(atOnce && { answer: () => ({ status }) }) }
        const ends: [End, End] = [
          { recorder: new Recorder({ plain: ['user', 'wrong'] }), outgoing: [[filled(3, 1)]], inbox: Buffer.alloc(0), paused: false },
          { recorder: new Recorder(options), outgoing: [[filled(3, 2)]], inbox: Buffer.alloc(0), paused: false },
        ]
        carry(ends, chance(seed), () => {})
        ends[1].recorder.connection.answer({ status }, 0)
        carry(ends, chance(seed), () => {})
        expect(ends[1].recorder.log).toEqual([
          'authenticate user:wrong',
          `closed AuthRefused: the credentials of user "user" were refused (${status})`,
        ])
        expect(ends[0].recorder.connection.state).toBe(client)
        expect(ends[0].recorder.log).toEqual(heard === 'nothing' ? [] : [`closed AuthRefused: ${heard}`])
      }),
      { numRuns: 100 },
    )
  })
})

describe('any bytes in any state', () => {
  const WELCOME = command('07"WELCOME"')
  const HELLO = command('05"HELLO" 04"user" 06"secret"')
  const plain = ['user', 'secret'] as const
  const letIn = (): AuthAnswer => ({ status: 200, user: 1 })
  const publisher = bytes(greeting('NULL'), ready('SUB'))
  const router = bytes(greeting('NULL'), ready('DEALER', ''))

  /** How a connection gets into a state, and bytes that would be good there. */
  const STATES: Record<string, { us: RecorderOptions; before: Buffer; good: Buffer }> = {
    greeting: { us: {}, before: bytes(''), good: bytes(greeting('NULL'), ready('ROUTER'), '00 01 61') },
    'half a greeting': { us: {}, before: greeting('NULL').subarray(0, 31), good: bytes('00 00*32', ready('ROUTER')) },
    'NULL handshake': { us: {}, before: greeting('NULL'), good: bytes(ready('ROUTER', 'id'), '01 01 61 00 01 62', PING) },
    'publisher in its handshake': { us: { type: 'PUB' }, before: greeting('NULL'), good: bytes(ready('SUB'), '00 01 01') },
    'PLAIN client before WELCOME': { us: { plain }, before: greeting('PLAIN'), good: bytes(WELCOME, ready('ROUTER'), '00 01 61') },
    'PLAIN client before READY': { us: { plain }, before: bytes(greeting('PLAIN'), WELCOME), good: bytes(ready('ROUTER'), '00 01 61') },
    'PLAIN server before HELLO': {
      us: { type: 'ROUTER', plain: 'server', answer: letIn },
      before: greeting('PLAIN'),
      good: bytes(HELLO, command('08"INITIATE"', typed('DEALER', 'id')), '00 01 61'),
    },
    'PLAIN server that asks': {
      us: { type: 'ROUTER', plain: 'server' },
      before: bytes(greeting('PLAIN'), HELLO),
      good: command('08"INITIATE"', typed('DEALER', 'id')),
    },
    'PLAIN server before INITIATE': {
      us: { type: 'ROUTER', plain: 'server', answer: letIn },
      before: bytes(greeting('PLAIN'), HELLO),
      good: bytes(command('08"INITIATE"', typed('DEALER', 'id')), '00 01 61'),
    },
    traffic: { us: { type: 'ROUTER' }, before: router, good: bytes('01 01 61', PING, '00 01 62', PONG, '02 00*6 0100 61*256') },
    'a message under way': { us: { type: 'ROUTER' }, before: bytes(router, '01 01 61'), good: bytes(PING, '00 01 62') },
    'a frame under way': { us: { type: 'ROUTER' }, before: bytes(router, '02 00*5 500000 61*9'), good: bytes('61*99') },
    'a header under way': { us: { type: 'ROUTER' }, before: bytes(router, '02 00*3'), good: bytes('00*4 05 61*5 00 01 61') },
    publisher: {
      us: { type: 'XPUB' },
      before: publisher,
      good: bytes(command('09"SUBSCRIBE" 61'), '00 02 01 62', command('06"CANCEL" 61'), '04 00*6 0100 09"SUBSCRIBE" 74*246', PING),
    },
  }

  const mutation = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), at: fc.nat(400), value: fc.nat(255) }),
    fc.record({ kind: fc.constant('flip' as const), at: fc.nat(400), value: fc.nat(7) }),
    fc.record({ kind: fc.constant('insert' as const), at: fc.nat(400), value: fc.nat(255) }),
    fc.record({ kind: fc.constant('delete' as const), at: fc.nat(400), value: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant('repeat' as const), at: fc.nat(400), value: fc.integer({ min: 1, max: 60 }) }),
  )
  const noise = fc.uint8Array({ maxLength: 80 }).map((array) => Buffer.from(array))
  const headers = fc.array(
    fc.constantFrom(
      '00',
      '01',
      '02',
      '03',
      '04',
      '06',
      '05',
      '00*7',
      '00*6',
      '0100',
      'FF*8',
      '0FFFFFFF',
      '04"PING"',
      '05"READY"',
      '05"ERROR"',
    ),
    { maxLength: 20 },
  )
  const input = fc.oneof(
    { weight: 3, arbitrary: fc.array(mutation, { minLength: 0, maxLength: 4 }) },
    { weight: 1, arbitrary: noise },
    { weight: 2, arbitrary: headers.map((parts) => bytes(...parts)) },
  )

  function mutated(good: Buffer, how: (typeof mutation extends fc.Arbitrary<infer T> ? T : never)[]): Buffer {
    let stream: Buffer = Buffer.from(good)
    for (const { kind, at: anywhere, value } of how) {
      const at = stream.length === 0 ? 0 : anywhere % stream.length
      const head = stream.subarray(0, at)
      const tail = stream.subarray(at)
      if (kind === 'insert') stream = bytes(head, Buffer.from([value]), tail)
      else if (kind === 'delete') stream = bytes(head, tail.subarray(value))
      else if (kind === 'repeat') stream = bytes(head, tail.subarray(0, value), tail)
      else if (stream.length > 0) stream[at] = kind === 'set' ? value : (stream[at] as number) ^ (1 << value)
    }
    return stream
  }

  const LARGEST = MiB
  it.each(Object.keys(STATES))('neither throw nor depend on their chunks nor cost more than they are: %s', (state) => {
    const { us, before, good } = STATES[state] as (typeof STATES)[string]
    let reached = 0
    const allocateUnsafe = Buffer.allocUnsafe
    const allocate = Buffer.alloc
    let largest = 0
    fc.assert(
      fc.property(input, fc.array(fc.nat(400), { maxLength: 6 }), (what, offsets) => {
        const stream = Buffer.isBuffer(what) ? what : mutated(good, what)
        const cuts = offsets.map((offset) => Math.min(offset, stream.length)).sort((a, b) => a - b)
        const run = (at: readonly number[]): unknown => {
          const recorder = new Recorder(us).hear(before)
          largest = 0
          Buffer.allocUnsafe = (size: number) => {
            largest = Math.max(largest, size)
            return allocateUnsafe(size)
          }
          Buffer.alloc = (size: number, ...rest: [(string | number)?, BufferEncoding?]) => {
            largest = Math.max(largest, size)
            return allocate(size, ...rest)
          }
          try {
            recorder.hearCut(stream, at)
            recorder.connection.tick(1)
          } finally {
            Buffer.allocUnsafe = allocateUnsafe
            Buffer.alloc = allocate
          }
          expect(largest).toBeLessThanOrEqual(LARGEST)
          expect(recorder.log.filter((line) => line.startsWith('closed')).length).toBe(recorder.connection.state === 'closed' ? 1 : 0)
          const said = recorder.said()
          expect(said.length).toBeLessThanOrEqual(400 + 2 * stream.length)
          return { log: recorder.log, state: recorder.connection.state, said: said.toString('hex') }
        }
        const outcome = run([])
        expect(run(cuts)).toEqual(outcome)
        expect(run(Array.from({ length: stream.length }, (_, offset) => offset))).toEqual(outcome)
        reached++
      }),
      { numRuns: 400 },
    )
    expect(reached).toBeGreaterThanOrEqual(400)
  })
})
