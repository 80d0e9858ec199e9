import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ProtocolError } from '../../../src/errors.ts'
import {
  decodeMetadata,
  encodeMetadata,
  type Metadata,
  otherProperties,
  type Property,
  routingIdOf,
  socketProperties,
  socketTypeOf,
} from '../../../src/wire/metadata.ts'
import { mayTalk, type SocketType, sendsRoutingId, socketTypeNamed } from '../../../src/wire/socket-type.ts'
import { bytes, typed } from './helpers.ts'

/** The same, the slow and obvious way. */
function naiveEncode(properties: readonly Property[]): Buffer {
  return Buffer.concat(
    properties.flatMap(([name, value]) => {
      const size = Buffer.alloc(4)
      size.writeUInt32BE(value.length)
      return [Buffer.from([name.length]), Buffer.from(name, 'latin1'), size, value]
    }),
  )
}

interface Good {
  name: string
  body: Buffer
  properties: Record<string, string>
}

const GOOD: Good[] = [
  { name: 'nothing', body: bytes(''), properties: {} },
  { name: 'a type', body: bytes('0B"Socket-Type" 00000003"REQ"'), properties: { 'socket-type': 'REQ' } },
  {
    name: 'a type and an empty routing id, as libzmq sends them',
    body: bytes('0B"Socket-Type" 00000006"DEALER" 08"Identity" 00000000'),
    properties: { 'socket-type': 'DEALER', identity: '' },
  },
  { name: 'names in any case', body: bytes('0B"sOCKET-tYPE" 00000003"REQ"'), properties: { 'socket-type': 'REQ' } },
  {
    name: 'names nobody knows',
    body: bytes('08"Resource" 00000001"/" 07"X-Build" 00000002"42"'),
    properties: { resource: '/', 'x-build': '42' },
  },
  { name: 'a name that objects have', body: bytes('09"__proto__" 00000001"x"'), properties: { ['__proto__']: 'x' } },
]

interface Bad {
  name: string
  body: Buffer
  fault: RegExp
}

const BAD: Bad[] = [
  { name: 'an empty name', body: bytes('00 00000000'), fault: /broken property name/ },
  { name: 'a stray byte behind it', body: bytes('0B"Socket-Type" 00000003"REQ" 08'), fault: /broken property name/ },
  { name: 'a stray zero behind it', body: bytes('0B"Socket-Type" 00000003"REQ" 00'), fault: /broken property name/ },
  { name: 'a name longer than the body', body: bytes('FF"Socket-Type"'), fault: /broken property name/ },
  { name: 'three bytes of length', body: bytes('01"a" 000000'), fault: /broken property name/ },
  { name: 'a value one byte short', body: bytes('0B"Socket-Type" 00000004"REQ"'), fault: /longer than the command/ },
  { name: 'a value of FFFFFFFF bytes', body: bytes('0B"Socket-Type" FFFFFFFF"REQ"'), fault: /longer than the command/ },
  { name: 'a value of 80000000 bytes', body: bytes('0B"Socket-Type" 80000000"REQ"'), fault: /longer than the command/ },
  { name: 'two types', body: bytes('0B"Socket-Type" 00000003"REQ" 0B"Socket-Type" 00000003"REQ"'), fault: /'socket-type' twice/ },
  { name: 'two types in different case', body: bytes('0B"Socket-Type" 00000003"REQ" 0B"SOCKET-TYPE" 00000003"REP"'), fault: /twice/ },
  { name: 'two routing ids', body: bytes('08"Identity" 00000001"a" 08"Identity" 00000001"b"'), fault: /'identity' twice/ },
  {
    name: 'too many properties',
    body: Buffer.concat(Array.from({ length: 129 }, (_, i) => bytes(`03"${100 + i}" 00000000`))),
    fault: /more than/,
  },
]

afterEach(() => vi.restoreAllMocks())

describe('metadata', () => {
  it.each(GOOD)('is read: $name', ({ body, properties }) => {
    const read = [...decodeMetadata(body)].map(([name, value]) => [name, value.toString('latin1')])
    expect(read).toEqual(Object.entries(properties))
  })

  it.each(BAD)('is refused: $name', ({ body, fault }) => {
    expect(() => decodeMetadata(body)).toThrow(ProtocolError)
    expect(() => decodeMetadata(body)).toThrow(fault)
  })

  it('allocates nothing for a value that is announced and not there', () => {
    const body = bytes('0B"Socket-Type" FFFFFFFF"REQ"')
    const from = vi.spyOn(Buffer, 'from')
    const allocate = vi.spyOn(Buffer, 'allocUnsafe')
    expect(() => decodeMetadata(body)).toThrow(ProtocolError)
    expect(from).not.toHaveBeenCalled()
    expect(allocate).not.toHaveBeenCalled()
  })

  it('is refused at every cut but those between two properties', () => {
    const body = bytes('0B"Socket-Type" 00000006"DEALER" 08"Identity" 00000002"id" 01"a" 00000000')
    const edges = [0, 22, 37, 43]
    for (let cut = 0; cut <= body.length; cut++) {
      const read = (): unknown => decodeMetadata(body.subarray(0, cut))
      if (edges.includes(cut)) expect(read).not.toThrow()
      else expect(read, `cut at ${cut}`).toThrow(ProtocolError)
    }
  })

  it('keeps its values when the chunk it came in is used again', () => {
    const body = bytes('01"a" 00000003"abc"')
    const metadata = decodeMetadata(body)
    body.fill(0)
    expect(String(metadata.get('a'))).toBe('abc')
  })

  it('comes back as it was written, and is written as by the naive codec', () => {
    const name = fc.stringMatching(/^[a-z0-9._+-]{1,60}$/)
    const value = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, value), { maxLength: 20, selector: ([key]) => key }), (properties) => {
        const body = encodeMetadata(properties)
        expect(body.equals(naiveEncode(properties))).toBe(true)
        expect([...decodeMetadata(body)]).toEqual(properties)
      }),
    )
  })

  it('never fails but with a ProtocolError', () => {
    const soup = fc.array(fc.constantFrom('01"a"', '0B"Socket-Type"', '00000003"REQ"', '00000000', '00', 'FF', '00000001'), {
      maxLength: 12,
    })
    fc.assert(
      fc.property(soup, (parts) => {
        try {
          decodeMetadata(bytes(...parts))
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('what a socket says about itself', () => {
  it('is its type, then its routing id, then what is its own', () => {
    const own: Property[] = [['X-Build', Buffer.from('42')]]
    expect(encodeMetadata(socketProperties('ROUTER', Buffer.from('me'), own))).toEqual(
      bytes('0B"Socket-Type" 00000006"ROUTER" 08"Identity" 00000002"me" 07"X-Build" 00000002"42"'),
    )
  })

  it.each(['REQ', 'DEALER', 'ROUTER'] as const)('has an empty routing id in it: %s', (type) => {
    expect(encodeMetadata(socketProperties(type, Buffer.alloc(0), []))).toEqual(typed(type, ''))
    expect(sendsRoutingId(type)).toBe(true)
  })

  it.each(['REP', 'PUB', 'SUB', 'XPUB', 'XSUB', 'PUSH', 'PULL', 'PAIR'] as const)('has no routing id in it: %s', (type) => {
    expect(encodeMetadata(socketProperties(type, Buffer.from('me'), []))).toEqual(typed(type))
  })
})

describe('what a peer says about itself', () => {
  it.each(['dealer', 'Dealer', '', 'STREAM', 'toString', '__proto__', 'DEALER\0'])('is no socket type: %j', (type) => {
    expect(() => socketTypeOf(new Map([['socket-type', Buffer.from(type)]]))).toThrow(/unknown socket type/)
    expect(socketTypeNamed(type)).toBeUndefined()
  })

  it('is kept without its type and its routing id, and is nothing of its own when that is all', () => {
    const told = (own: Property[]): Metadata => decodeMetadata(encodeMetadata(socketProperties('DEALER', Buffer.from('me'), own)))
    expect([...otherProperties(told([['X-Build', Buffer.from('42')]]))]).toEqual([['x-build', Buffer.from('42')]])
    expect(otherProperties(told([])).size).toBe(0)
    expect(otherProperties(told([]))).toBe(otherProperties(told([])))
  })

  it('must have a type', () => {
    expect(() => socketTypeOf(new Map())).toThrow(/does not say its socket type/)
  })

  it('may have a routing id of up to 255 bytes that does not start with zero', () => {
    const id = (value: Buffer): Buffer => routingIdOf(new Map([['identity', value]]))
    expect(id(Buffer.alloc(255, 'a'))).toHaveLength(255)
    expect(id(bytes('61 00'))).toEqual(bytes('61 00'))
    expect(id(Buffer.alloc(0))).toHaveLength(0)
    expect(routingIdOf(new Map())).toHaveLength(0)
    expect(() => id(Buffer.alloc(256, 'a'))).toThrow(/256 bytes/)
    expect(() => id(bytes('00 61'))).toThrow(/zero byte/)
  })

  it('goes with our type as the table of RFC 37 has it, and both ways', () => {
    const types: SocketType[] = ['REQ', 'REP', 'DEALER', 'ROUTER', 'PUB', 'SUB', 'XPUB', 'XSUB', 'PUSH', 'PULL', 'PAIR']
    const pairs = types.flatMap((ours) => types.filter((theirs) => mayTalk(ours, theirs)).map((theirs) => `${ours}-${theirs}`))
    expect(pairs.join(' ')).toBe(
      'REQ-REP REQ-ROUTER REP-REQ REP-DEALER DEALER-REP DEALER-DEALER DEALER-ROUTER ROUTER-REQ ROUTER-DEALER ROUTER-ROUTER ' +
        'PUB-SUB PUB-XSUB SUB-PUB SUB-XPUB XPUB-SUB XPUB-XSUB XSUB-PUB XSUB-XPUB PUSH-PULL PULL-PUSH PAIR-PAIR',
    )
    for (const pair of pairs) expect(pairs).toContain(pair.split('-').reverse().join('-'))
  })
})
