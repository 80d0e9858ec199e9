/** All pairs of socket types: messages of every shape, whichever end is ours, whichever end binds. */

import { describe, expect, it } from 'vitest'
import { type AnyDuplex, PAIRINGS, type Pairing, SHAPES } from '../../helpers/pairings.ts'
import { PATIENCE_MS, within } from './peer-process.ts'
import { type Bench, type Fault, type Link, type Mechanism, security, unlink } from './under-test.ts'

const INTACT = 'intact'
/** With another mechanism messages are packed differently; these show whether they are. */
const FEW = ['one frame', 'empty frames around and between', 'frames at the edge of the short form', '1 MiB between small frames']
/** For what will not come. */
const SHORT_MS = 300

interface Case {
  readonly pairing: Pairing
  readonly oursIsLeft: boolean
  readonly peerBinds: boolean
}

export function patterns(bench: Bench, mechanism: Mechanism): void {
  const { under } = bench
  const shapes = mechanism === 'NULL' ? Object.keys(SHAPES) : FEW
  for (const one of cases(bench)) {
    const { mine, theirs } = typesOf(one)
    const how = one.peerBinds ? 'connects to' : 'is bound for'
    it(`our ${mine} ${how} a ${theirs} of the peer`, async () => {
      const faults = faultsOf(bench, one, mechanism)
      const expected = Object.fromEntries(
        shapes.map((shape) => [shape, faults.find(({ outcomes }) => shape in outcomes)?.outcomes[shape] ?? INTACT]),
      )
      const outcomes: Record<string, string> = {}
      let linked: Joined | undefined
      for (const shape of shapes) {
        linked ??= await join(bench, one, mechanism)
        outcomes[shape] = await attempt(linked, shape, expected[shape] === INTACT ? PATIENCE_MS : SHORT_MS)
        if (outcomes[shape] === INTACT) continue
        // Whatever state it is in.
        await unlink(linked.link)
        linked = undefined
      }
      expect(outcomes).toEqual(expected)
    })
  }

  if (under.muteXPublisher !== undefined) {
    describe('XPUB', () => {
      it('gives no subscriptions to the application', async () => {
        const { my, their } = await bench.link(
          ['Subscriber', security(mechanism, true).mine],
          ['XPublisher', security(mechanism, true).theirs],
          {
            peerBinds: true,
          },
        )
        my.subscribe()
        await expect(within(their.receive(), SHORT_MS)).rejects.toThrow('nothing came')
      })
    })
  }
}

function cases({ under: { lacks = [], muteXPublisher } }: Bench): Case[] {
  const all = PAIRINGS.flatMap((pairing) =>
    [true, false].flatMap((oursIsLeft) => [true, false].map((peerBinds): Case => ({ pairing, oursIsLeft, peerBinds }))),
  )
  return (
    all
      .filter((one) => !lacks.includes(typesOf(one).theirs))
      // Two routers can talk when both have a name; the first one asks for EHOSTUNREACH, which is an option of ours.
      .filter(({ pairing, oursIsLeft }) => pairing.left !== 'Router' || pairing.right !== 'Router' || oursIsLeft)
      .map((one) =>
        typesOf(one).theirs === 'XPublisher' && muteXPublisher !== undefined ? { ...one, pairing: asPublisher(one.pairing) } : one,
      )
  )
}

/** Without hearing of subscriptions, it asks like a PUB until somebody hears it. */
function asPublisher(pairing: Pairing): Pairing {
  const like = PAIRINGS.find(({ left, right }) => left === 'Publisher' && right === pairing.right) as Required<Pairing>
  return { ...pairing, prepare: like.prepare, carry: like.carry }
}

function typesOf({ pairing: { left, right }, oursIsLeft }: Case): { mine: Pairing['left']; theirs: Pairing['left'] } {
  return oursIsLeft ? { mine: left, theirs: right } : { mine: right, theirs: left }
}

function faultsOf({ under }: Bench, one: Case, mechanism: Mechanism): Fault[] {
  const { mine, theirs } = typesOf(one)
  return (under.faults ?? []).filter(
    (fault) =>
      (fault.type ?? theirs) === theirs &&
      (fault.ours ?? mine) === mine &&
      (fault.mechanism ?? mechanism) === mechanism &&
      (fault.peerBinds ?? one.peerBinds) === one.peerBinds,
  )
}

interface Joined {
  readonly link: Link
  readonly carry: (frames: Buffer[]) => Promise<Buffer[]>
}

async function join(bench: Bench, one: Case, mechanism: Mechanism): Promise<Joined> {
  const { pairing, oursIsLeft, peerBinds } = one
  const types = typesOf(one)
  const options = security(mechanism, peerBinds)
  const [myOptions, theirOptions] = oursIsLeft ? [pairing.leftOptions, pairing.rightOptions] : [pairing.rightOptions, pairing.leftOptions]
  const routingId = (theirOptions as { routingId?: string } | undefined)?.routingId
  const link = await bench.link(
    [types.mine, { ...myOptions, ...options.mine }],
    [types.theirs, { ...(routingId !== undefined && { 'routing-id': [routingId] }), ...options.theirs }],
    { peerBinds },
  )
  const [left, right] = (oursIsLeft ? [link.my, link.their] : [link.their, link.my]) as unknown as [AnyDuplex, AnyDuplex]
  await pairing.prepare?.(left, right)
  return { link, carry: (frames) => pairing.carry(left, right, frames) }
}

/** What becomes of a message. */
async function attempt({ carry }: Joined, shape: string, patienceMs: number): Promise<string> {
  const sent = SHAPES[shape] as Buffer[]
  try {
    return compare(await within(carry(sent), patienceMs), sent)
  } catch (error) {
    return (error as Error).message
  }
}

function compare(got: readonly Buffer[], sent: readonly Buffer[]): string {
  if (got.length !== sent.length || got.some((frame, index) => frame.length !== sent[index]?.length)) {
    return `${got.map((frame) => frame.length).join('+')} bytes`
  }
  return got.every((frame, index) => frame.equals(sent[index] as Buffer)) ? INTACT : 'other bytes'
}
