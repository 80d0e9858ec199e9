import { describe, expect, it } from 'vitest'
import * as sockets from '../../../src/socket/index.ts'
import { DEFAULT_OPTIONS } from '../../../src/socket/options.ts'
import { codeOf } from '../../helpers/sockets.ts'

const { Context, Dealer, Publisher, Pull, Push, Reply, Request, Router, Subscriber } = sockets

function thrown(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return codeOf(error)
  }
  return 'nothing'
}

describe('the options of sockets', () => {
  it('have the defaults that are documented', () => {
    expect(DEFAULT_OPTIONS).toEqual({
      linger: -1,
      reconnectInterval: 100,
      reconnectMaxInterval: 0,
      backlog: 100,
      maxMessageSize: -1,
      ipv6: false,
      tcpKeepalive: -1,
      tcpKeepaliveIdle: -1,
      connectTimeout: 0,
      handshakeInterval: 30_000,
      heartbeatInterval: 0,
      heartbeatTimeout: -1,
      heartbeatTimeToLive: 0,
      immediate: false,
      plainServer: false,
      plainUsername: null,
      plainPassword: null,
      curveServer: false,
      curvePublicKey: null,
      curveSecretKey: null,
      curveServerKey: null,
      authenticate: null,
      maxConnections: 0,
      maxConnectionsPerAddress: 0,
      maxHandshakes: 1000,
      maxHandshakeBytes: 65_536,
      maxQueueBytes: 268_435_456,
      handshakeProperties: {},
      sendHighWaterMark: 1000,
      sendTimeout: -1,
      receiveHighWaterMark: 1000,
      receiveTimeout: -1,
      routingId: null,
      conflate: false,
    })
  })

  it('of each kind are those defaults, too', () => {
    const request = new Request({ context: new Context() })
    expect([request.correlate, request.relaxed, request.probeRouter, request.linger]).toEqual([false, false, false, -1])
    const router = new Router({ context: new Context() })
    expect([router.mandatory, router.handover, router.probeRouter, router.routingId]).toEqual([false, false, false, null])
  })

  it('may be given to the constructor and changed later', () => {
    const push = new Push({ context: new Context(), sendHighWaterMark: 7, linger: undefined })
    expect([push.sendHighWaterMark, push.linger]).toEqual([7, -1])
    push.sendHighWaterMark = 8
    expect(push.sendHighWaterMark).toBe(8)
  })

  it('belong to one socket', () => {
    const one = new Push({ context: new Context(), linger: 5 })
    expect([one.linger, new Push({ context: new Context() }).linger]).toEqual([5, -1])
  })

  it.each<[string, object]>([
    ['linger', { linger: -2 }],
    ['linger', { linger: 1.5 }],
    ['linger', { linger: '5' }],
    ['sendHighWaterMark', { sendHighWaterMark: -1 }],
    ['heartbeatTimeToLive', { heartbeatTimeToLive: 65_501 }],
    ['tcpKeepalive', { tcpKeepalive: 2 }],
    ['ipv6', { ipv6: 1 }],
    ['plainUsername', { plainUsername: 'u'.repeat(256) }],
    ['plainPassword', { plainPassword: 'é'.repeat(128) }],
    ['routingId', { routingId: '' }],
    ['routingId', { routingId: '\0a' }],
    ['routingId', { routingId: 'r'.repeat(256) }],
    ['curveServer', { curveServer: 1 }],
    ['curveServerKey', { curveServerKey: '' }],
    ['curveServerKey', { curveServerKey: '0'.repeat(39) }],
    ['curvePublicKey', { curvePublicKey: `${'0'.repeat(35)}#####` }],
    ['curveSecretKey', { curveSecretKey: `${'0'.repeat(39)}~` }],
    ['authenticate', { authenticate: 'yes' }],
    ['handshakeProperties', { handshakeProperties: { Identity: 'a' } }],
    ['handshakeProperties', { handshakeProperties: { 'X-A': 1 } }],
    ['handshakeProperties', { handshakeProperties: null }],
  ])('refuse a bad %s', (_name, options) => {
    expect(thrown(() => new Dealer({ context: new Context(), ...options }))).toBe('EINVAL')
  })

  it('accept null for what may be unset', () => {
    const dealer = new Dealer({ context: new Context(), plainUsername: null, plainPassword: null, routingId: null, authenticate: null })
    expect([dealer.plainUsername, dealer.routingId]).toEqual([null, null])
  })

  it('are refused where the kind of socket has none of that name', () => {
    expect(thrown(() => new Pull({ context: new Context(), sendTimeout: 1 } as object))).toBe('EINVAL')
    expect(thrown(() => new Subscriber({ context: new Context(), routingId: 'a' } as object))).toBe('EINVAL')
    expect(thrown(() => new Publisher({ context: new Context(), receiveTimeout: 1 } as object))).toBe('EINVAL')
    expect(thrown(() => new Reply({ context: new Context(), nonsense: 1 } as object))).toBe('EINVAL')
  })

  it.each([
    ['sendHighWatermark', 'sendHighWaterMark'],
    ['sendHighWaterMarck', 'sendHighWaterMark'],
    ['Linger', 'linger'],
    ['routingID', 'routingId'],
    ['maxMessagesize', 'maxMessageSize'],
  ])('are named when one is misspelt: %s', (wrong, meant) => {
    const dealer = new Dealer({ context: new Context() }) as unknown as Record<string, unknown>
    const error = { code: 'EINVAL', message: expect.stringContaining(`no option ${wrong}: is ${meant} meant?`) }
    expect(() => {
      dealer[wrong] = 1
    }).toThrow(expect.objectContaining(error))
    expect(() => new Dealer({ context: new Context(), [wrong]: 1 })).toThrow(expect.objectContaining(error))
    expect(wrong in dealer).toBe(false)
  })

  it('are no obstacle to properties that have nothing to do with them', () => {
    class Named extends Dealer {
      label = 'a'
      ping: string
      constructor() {
        super({ context: new Context() })
        this.ping = 'b'
      }
    }
    const named = new Named() as Named & { extra?: number; sendTimeouts?: number[] }
    named.extra = 1
    expect([named.label, named.ping, named.extra, named instanceof Dealer]).toEqual(['a', 'b', 1, true])
    expect(String(named)).toBe('[object Object]')
    const pull = new Pull({ context: new Context() }) as object as { sendTimeouts?: number }
    // A PULL has no sendTimeout that could be meant.
    pull.sendTimeouts = 1
    expect(pull.sendTimeouts).toBe(1)
  })

  it('leave no trace when the constructor refuses them', () => {
    const context = new Context()
    thrown(() => new Push({ context, linger: -2 }))
    expect(context.openSockets).toBe(0)
  })
})

describe('a message', () => {
  it.each([
    ['a string', 'é', 'c3a9'],
    ['a number', 42.5, '34322e35'],
    ['null', null, ''],
    ['a Buffer', Buffer.from('a'), '61'],
    ['a view of part of a buffer', new Uint16Array([1, 2, 3]).subarray(1, 2), '0200'],
    ['an ArrayBuffer', new Uint8Array([1, 2]).buffer, '0102'],
  ])('may be %s', async (_name, frame, hex) => {
    const context = new Context()
    const [push, pull] = [new Push({ context }), new Pull({ context })]
    await pull.bind('inproc://messages')
    push.connect('inproc://messages')
    await push.send(frame)
    expect((await pull.receive()).map((body) => body.toString('hex'))).toEqual([hex])
    await Promise.all([push.close(), pull.close()])
  })

  it.each([
    ['no frames', []],
    ['an object', {}],
    ['true', true],
    ['undefined', undefined],
    ['a nested list', [['a']]],
  ])('may not be %s', async (_name, bad) => {
    const push = new Push({ context: new Context(), linger: 0 })
    await expect(push.send(bad as never)).rejects.toMatchObject({ code: 'EINVAL' })
    await push.close()
  })
})
