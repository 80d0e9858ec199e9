/** What is passed on within one call, with both sides played: who is full, who is gone, and when. */

import { beforeEach, describe, expect, it } from 'vitest'
import type { Dialect } from '../../../../src/rpc/dialect/announcement.ts'
import { amountOf, KIND, kindOf, numberOf } from '../../../../src/rpc/dialect/native/header.ts'
import { encodeCredit, encodeEnd, encodeFailed, encodeItem, encodeStop } from '../../../../src/rpc/dialect/native/message.ts'
import { CallRelay } from '../../../../src/rpc/stream/call-relay.ts'
import type { Message } from '../../../../src/wire/index.ts'

const NAMES = Object.fromEntries(Object.entries(KIND).map(([name, kind]) => [kind, name]))

/** One side of the proxy. */
class Side {
  hasRoom = true
  idleTimes = 0
  givenUp: unknown
  readonly heard: string[] = []
  readonly dialect: Dialect
  readonly endpoint = 'tcp://proxy:1'

  constructor(dialect: Dialect = 'native') {
    this.dialect = dialect
  }

  send([head]: Message): boolean {
    const frame = head as Buffer
    this.heard.push(`${NAMES[kindOf(frame)]} ${numberOf(frame)} ${amountOf(frame)}`)
    return true
  }

  idle(): void {
    this.idleTimes++
  }

  giveUp(reason: unknown): void {
    this.givenUp = reason
  }
}

let caller: Side
let server: Side
let relay: CallRelay

function relayFor(callerSide: Side, serverSide: Side): CallRelay {
  const made = new CallRelay(callerSide, (error) => ({ status: 482, text: `lost: ${error.message}` }))
  made.attach(serverSide)
  return made
}

beforeEach(() => {
  caller = new Side()
  server = new Side()
  relay = relayFor(caller, server)
})

const fromServer = (body: Message): void => relay.fromServer(kindOf(body[0] as Buffer), body)
const fromCaller = (body: Message): void => relay.fromCaller(kindOf(body[0] as Buffer), body)

/** The request is sent, and the reply, which opens so many streams. */
function open(streams: number): void {
  relay.started()
  relay.replied(streams)
  relay.answered()
}

describe('a call that streams', () => {
  it('is over when each stream of the result has ended, by its writer or by its reader', () => {
    open(3)
    fromServer(encodeItem(0, 0, 'a'))
    fromServer(encodeEnd(0, 1))
    fromServer(encodeFailed(1, 0, { status: 463, text: 'out of words' }))
    expect([relay.open, caller.idleTimes, server.idleTimes]).toEqual([1, 0, 0])
    fromCaller(encodeStop(2, 'enough'))
    expect([relay.open, caller.idleTimes, server.idleTimes]).toEqual([0, 1, 1])
    expect(caller.heard).toEqual(['item 0 0', 'end 0 1', 'failed 1 0'])
    expect(server.heard).toEqual(['stop 2 0'])
  })

  it('passes nothing on of a stream that its reader has stopped, or that nobody opened', () => {
    open(1)
    fromCaller(encodeStop(0))
    fromServer(encodeItem(0, 0, 'late'))
    fromServer(encodeEnd(7, 0))
    expect(caller.heard).toEqual([])
  })

  it('keeps what comes before the request or the reply is on its way', () => {
    fromCaller(encodeItem(0, 0, 'a'))
    expect(server.heard).toEqual([])
    relay.started()
    expect(server.heard).toEqual(['item 0 0'])
    relay.replied(1)
    fromServer(encodeItem(0, 0, 'b'))
    expect(caller.heard).toEqual([])
    relay.answered()
    expect(caller.heard).toEqual(['item 0 0'])
  })

  it('cannot be sent anew once something has followed the request', () => {
    fromCaller(encodeItem(0, 0, 'a'))
    expect(relay.begun).toBe(false)
    relay.started()
    expect(relay.begun).toBe(true)
  })
})

describe('a caller that is slow', () => {
  it('gets all that the server has sent, its end too, before the call is over', () => {
    open(1)
    caller.hasRoom = false
    for (let sequence = 0; sequence < 3; sequence++) fromServer(encodeItem(0, sequence, 'x'))
    fromServer(encodeEnd(0, 3))
    expect([caller.heard.length, caller.idleTimes, relay.open]).toEqual([0, 0, 1])
    caller.hasRoom = true
    relay.writable()
    expect(caller.heard).toEqual(['item 0 0', 'item 0 1', 'item 0 2', 'end 0 3'])
    expect([caller.idleTimes, relay.open]).toEqual([1, 0])
  })

  it('is told behind what waits for it that the server is gone', () => {
    open(2)
    caller.hasRoom = false
    fromServer(encodeItem(1, 0, 'x'))
    relay.serverGone(new Error('gone'))
    expect(caller.idleTimes).toBe(0)
    caller.hasRoom = true
    relay.writable()
    expect(caller.heard).toEqual(['item 1 0', 'failed 0 0', 'failed 1 1'])
    expect(caller.idleTimes).toBe(1)
  })
})

describe('a server that is slow', () => {
  it('gets a STOP that had to wait before the call is over', () => {
    open(1)
    server.hasRoom = false
    fromCaller(encodeStop(0))
    expect(server.idleTimes).toBe(0)
    server.hasRoom = true
    relay.writable()
    expect(server.heard).toEqual(['stop 0 0'])
    expect(server.idleTimes).toBe(1)
  })

  it('gets nothing of the caller after a reply without streams', () => {
    server.hasRoom = false
    relay.started()
    fromCaller(encodeItem(0, 0, 'x'))
    relay.replied(0)
    relay.answered()
    expect(relay.open).toBe(0)
  })
})

describe('a side that ignores the windows', () => {
  const large = (): Message => encodeItem(0, 0, Buffer.alloc(1024 * 1024))

  it.each(['caller', 'server'])('%s: costs no more than a limit, then the call is given up', (which) => {
    open(1)
    caller.hasRoom = server.hasRoom = false
    const say = which === 'caller' ? fromCaller : fromServer
    for (let count = 0; count < 30; count++) say(large())
    expect(server.givenUp).toBeUndefined()
    for (let count = 0; count < 10; count++) say(large())
    expect(String(server.givenUp)).toContain('PROXY_FAILED')
  })

  it('many short messages cost something, too, and do not keep the blocks alive that they came in', () => {
    relay.started()
    server.hasRoom = false
    const block = Buffer.alloc(64 * 1024)
    const [credit] = encodeCredit(0, 1) as [Buffer]
    let count = 0
    for (; server.givenUp === undefined && count < 1e6; count++) {
      credit.copy(block)
      fromCaller([block.subarray(0, 8)])
    }
    expect(count).toBeLessThan(200_000)
  })

  it('its end is passed on although too much waits', () => {
    open(1)
    caller.hasRoom = false
    for (let count = 0; count < 40; count++) fromServer(large())
    relay.serverGone(new Error('gone'))
    caller.hasRoom = true
    relay.writable()
    expect(caller.heard.at(-1)).toBe('failed 0 1')
  })
})

describe('a side that speaks the pyzmqrpc3 dialect', () => {
  it('as the server: gets nothing but its request', () => {
    server = new Side('pyzmqrpc3')
    relay = relayFor(caller, server)
    fromCaller(encodeItem(0, 0, 'a'))
    relay.started()
    for (const body of [encodeItem(0, 1, 'b'), encodeCredit(0, 1), encodeStop(0)]) fromCaller(body)
    expect(server.heard).toEqual([])
    expect(relay.open).toBe(0)
  })

  it('as the caller: gets nothing but its reply', () => {
    caller = new Side('pyzmqrpc3')
    relay = relayFor(caller, server)
    open(2)
    for (const body of [encodeItem(0, 0, 'b'), encodeCredit(0, 1), encodeStop(0), encodeEnd(0, 1)]) fromServer(body)
    expect(caller.heard).toEqual([])
    expect(relay.open).toBe(0)
  })
})

it('a caller that is gone takes the call along', () => {
  open(1)
  const reason = new Error('gone')
  relay.callerGone(reason)
  expect(server.givenUp).toBe(reason)
  fromServer(encodeItem(0, 0, 'late'))
  expect(caller.heard).toEqual([])
  expect(relay.open).toBe(0)
})
