/**
 * What every foreign implementation is put through. `jeromq.test.ts` and its like say what it has, and its faults: what comes
 * of them is asserted like everything else, so that a test fails when the implementation gets better.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as ours from '../../../src/socket/index.ts'
import { decodeZ85 } from '../../../src/wire/index.ts'
import { type AnyDuplex, PAIRINGS, type Pairing, SHAPES, type TypeName } from '../../helpers/pairings.ts'
import { peer } from '../../helpers/peers.ts'
import { type TestSockets, useSockets } from '../../helpers/sockets.ts'
import { PATIENCE_MS, type PeerOptions, PeerProcess, type PeerSocket, within } from './peer-process.ts'

export type Mechanism = 'NULL' | 'PLAIN' | 'CURVE'

/** What goes wrong through the peer's own fault, and what comes of it. A field that is left out: whatever it is. */
export interface Fault {
  readonly why: string
  /** The peer's socket. */
  readonly type?: TypeName
  readonly ours?: TypeName
  readonly mechanism?: Mechanism
  /** The peer binds; or connects. */
  readonly peerBinds?: boolean
  /** Names of {@link SHAPES}. */
  readonly shapes?: readonly string[]
  readonly outcome: string
}

export interface PeerUnderTest {
  readonly name: 'jeromq' | 'go-zmq4' | 'zmq-rs' | 'pyzmqrpc3'
  readonly lacks: readonly TypeName[]
  readonly mechanisms: readonly Mechanism[]
  readonly faults: readonly Fault[]
}

const INTACT = 'intact'
/** With a mechanism that changes nothing about messages but how they are packed, a few will do. */
const FEW = ['one frame', 'empty frames around and between', 'frames at the edge of the short form', '1 MiB between small frames']

const [SERVER, CLIENT] = [ours.curveKeyPair(), ours.curveKeyPair()]
const bytes = (key: string): Buffer => decodeZ85(key) as Buffer
const secretOptions = { linger: 0 }

/** Options of both ends, ours and the peer's. */
function security(mechanism: Mechanism, peerIsServer: boolean, password = 'secret'): { mine: object; theirs: PeerOptions } {
  if (mechanism === 'NULL') return { mine: secretOptions, theirs: {} }
  if (mechanism === 'PLAIN') {
    if (peerIsServer) {
      return { mine: { plainUsername: 'pi', plainPassword: password }, theirs: { 'plain-server': ['pi', 'secret'] } }
    }
    const authenticate = (request: ours.AuthRequest): ours.AuthAnswer =>
      request.mechanism === 'PLAIN' && request.username === 'pi' && request.password === 'secret'
        ? { status: 200, user: 'pi' }
        : { status: 400 }
    return { mine: { plainServer: true, authenticate }, theirs: { 'plain-client': ['pi', password] } }
  }
  const client = password === 'secret' ? CLIENT : ours.curveKeyPair()
  if (peerIsServer) {
    return {
      mine: { curveServerKey: SERVER.publicKey, curvePublicKey: client.publicKey, curveSecretKey: client.secretKey },
      theirs: { 'curve-server': [bytes(SERVER.publicKey), bytes(SERVER.secretKey), bytes(CLIENT.publicKey)] },
    }
  }
  const authenticate = (request: ours.AuthRequest): ours.AuthAnswer =>
    request.mechanism === 'CURVE' && request.publicKey === CLIENT.publicKey ? { status: 200, user: 'pi' } : { status: 400 }
  return {
    mine: { curveServer: true, curvePublicKey: SERVER.publicKey, curveSecretKey: SERVER.secretKey, authenticate },
    theirs: { 'curve-client': [bytes(SERVER.publicKey), bytes(client.publicKey), bytes(client.secretKey)] },
  }
}

interface Case {
  readonly pairing: Pairing
  readonly oursIsLeft: boolean
  readonly peerBinds: boolean
}

const name = ({ pairing: { left, right }, oursIsLeft, peerBinds }: Case): string =>
  `our ${oursIsLeft ? left : right} ${peerBinds ? 'connects to' : 'is bound for'} a ${oursIsLeft ? right : left}`

export function matrix(under: PeerUnderTest): void {
  const found = peer(under.name)
  const cases = PAIRINGS.filter(({ left, right }) => left !== 'Router' || right !== 'Router').flatMap((pairing) =>
    [true, false].flatMap((oursIsLeft) =>
      [true, false].flatMap((peerBinds): Case[] =>
        under.lacks.includes(oursIsLeft ? pairing.right : pairing.left) ? [] : [{ pairing, oursIsLeft, peerBinds }],
      ),
    ),
  )

  describe.skipIf(!found.available)(under.name, () => {
    let process: PeerProcess
    const use = useSockets()

    beforeAll(() => {
      process = new PeerProcess(found.command)
    })
    afterAll(() => process.close())

    async function carry({ pairing, oursIsLeft, peerBinds }: Case, mechanism: Mechanism, shapes: readonly string[]): Promise<void> {
      const [myType, theirType] = oursIsLeft ? [pairing.left, pairing.right] : [pairing.right, pairing.left]
      const [myOptions, theirOptions] = oursIsLeft
        ? [pairing.leftOptions, pairing.rightOptions]
        : [pairing.rightOptions, pairing.leftOptions]
      if (theirOptions !== undefined) throw new Error('not for the peers')
      const faults = under.faults.filter(
        (fault) =>
          (fault.type ?? theirType) === theirType &&
          (fault.ours ?? myType) === myType &&
          (fault.mechanism ?? mechanism) === mechanism &&
          (fault.peerBinds ?? peerBinds) === peerBinds,
      )
      const faultOf = (shape: string): Fault | undefined => faults.find((fault) => fault.shapes?.includes(shape) ?? true)
      const patience = faults.length > 0 ? 500 : PATIENCE_MS

      const link = async (): Promise<Link> => {
        const { mine, theirs } = security(mechanism, peerBinds)
        const my = use.open<ours.Socket, object>(ours[myType], { ...myOptions, ...mine })
        const their = process.open(theirType, theirs)
        const [bound, connecting] = peerBinds ? [their, my] : [my, their]
        await bound.bind('tcp://127.0.0.1:0')
        connecting.connect(bound.lastEndpoint as string)
        const [left, right] = (oursIsLeft ? [my, their] : [their, my]) as unknown as [AnyDuplex, AnyDuplex]
        return { my, their, left, right, prepared: pairing.prepare?.(left, right) }
      }
      const attempt = async ({ left, right, prepared }: Link, shape: string): Promise<string> => {
        const frames = SHAPES[shape] as Buffer[]
        try {
          await within(prepared ?? Promise.resolve(), patience)
          return outcome(await within(pairing.carry(left, right, frames), patience), frames)
        } catch (error) {
          return (error as Error).message
        }
      }

      let linked = await link()
      const outcomes: Record<string, string> = {}
      for (const shape of shapes) {
        outcomes[shape] = await attempt(linked, shape)
        if (outcomes[shape] === INTACT) continue
        await unlink(linked)
        linked = await link()
      }
      await unlink(linked)
      expect(outcomes).toEqual(Object.fromEntries(shapes.map((shape) => [shape, faultOf(shape)?.outcome ?? INTACT])))
    }

    for (const mechanism of under.mechanisms) {
      describe(mechanism, () => {
        for (const one of cases) it(name(one), () => carry(one, mechanism, mechanism === 'NULL' ? Object.keys(SHAPES) : FEW))
      })
    }
  })
}

interface Link {
  readonly my: ours.Socket
  readonly their: PeerSocket
  readonly left: AnyDuplex
  readonly right: AnyDuplex
  readonly prepared: Promise<void> | undefined
}

async function unlink({ my, their, prepared }: Link): Promise<void> {
  prepared?.catch(() => {})
  my.linger = 0
  await Promise.all([my.close(), their.close()])
}

/** What became of a message. */
function outcome(got: readonly Buffer[], sent: readonly Buffer[]): string {
  const sizes = (frames: readonly Buffer[]): string => frames.map((frame) => frame.length).join('+')
  if (got.length !== sent.length || got.some((frame, index) => frame.length !== sent[index]?.length)) return `${sizes(got)} bytes`
  return got.every((frame, index) => frame.equals(sent[index] as Buffer)) ? INTACT : 'other bytes'
}

export type { TestSockets }
