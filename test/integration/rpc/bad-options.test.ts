/** Clients and servers that are refused by their options. */

import { describe, expect, it } from 'vitest'
import { failureOf, Greet, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

describe('a client that is refused by its options', () => {
  it.each([
    ['no way out', {}, 'it sends nowhere: give it req, pub or both'],
    ['a bad endpoint', { req: 'tcp://nowhere' }, 'req: '],
    ['a transport that is none', { req: 'http://localhost:80' }, 'req: '],
    ['a bad number', { req: 'tcp://127.0.0.1:1', timeoutMs: -1 }, 'timeoutMs is -1, not a number from 0 up'],
    ['a number in a text', { req: 'tcp://127.0.0.1:1', timeoutMs: '5000' as never }, 'timeoutMs is "5000", not a number from 0 up'],
    ['a number that is none', { req: 'tcp://127.0.0.1:1', timeoutMs: Number.NaN }, 'timeoutMs is NaN'],
    ['no room', { req: 'tcp://127.0.0.1:1', maxQueued: 0 }, 'maxQueued is 0, not a number from 1 up'],
    [
      'a password that is too long',
      { req: 'tcp://127.0.0.1:1', credentials: { username: 'pi', password: 'x'.repeat(256) } },
      'over 255 bytes',
    ],
    [
      'passwords that say nothing',
      { req: 'tcp://127.0.0.1:1', pub: 'tcp://127.0.0.1:0', auth: {} },
      'auth needs either users or authenticate',
    ],
  ])('leaves nothing open: %s', (_name, options, text) => {
    expect(() => rpc.client(options)).toThrow('[BAD_OPTION] ')
    expect(() => rpc.client(options)).toThrow(text)
    expect(() => rpc.sender(options)).toThrow(text)
  })

  it('is told what it lacks when it is used', async () => {
    const publisher = rpc.client({ pub: 'tcp://127.0.0.1:0' })
    expect(await failureOf(publisher.execute(new Greet()))).toMatchObject({ code: 'BAD_OPTION' })
    const caller = rpc.client({ req: 'tcp://127.0.0.1:1' })
    expect(await failureOf(caller.publish(new Greet()))).toMatchObject({ code: 'BAD_OPTION' })
    expect(await failureOf(caller.sendHeartbeat())).toMatchObject({ code: 'BAD_OPTION' })
    expect(await failureOf(caller.execute(new Greet(), { timeoutMs: Number.NaN }))).toMatchObject({ code: 'BAD_OPTION' })
  })
})

describe('a server that is refused by its options', () => {
  it.each([
    ['nowhere', {}, 'it listens nowhere: give it rep, sub or both'],
    ['a bad rep', { rep: 'tcp://127.0.0.1' }, 'rep: '],
    ['a bad sub', { rep: 'tcp://127.0.0.1:0', sub: ['tcp://127.0.0.1:1', 'tcp://*:1'] }, 'sub: '],
    ['a bad heartbeat', { sub: { endpoint: 'tcp://127.0.0.1:1', heartbeatTimeoutMs: -1 } }, 'sub.heartbeatTimeoutMs is -1'],
    ['a bad limit', { rep: 'tcp://127.0.0.1:0', maxConcurrentCalls: 0 }, 'maxConcurrentCalls is 0, not a number from 1 up'],
    ['a bad size', { rep: 'tcp://127.0.0.1:0', maxInflatedBytes: 0 }, 'maxInflatedBytes is 0'],
    ['a bad auth', { rep: 'tcp://127.0.0.1:0', auth: {} }, 'auth needs either'],
    [
      'a bad password',
      { sub: ['tcp://127.0.0.1:1', { endpoint: 'tcp://127.0.0.1:1', credentials: { username: 'pi', password: 'x'.repeat(256) } }] },
      'over 255',
    ],
  ])('leaves nothing open: %s', (_name, options, text) => {
    expect(() => rpc.server(options)).toThrow(text)
    expect(() => rpc.server(options)).toThrow('[BAD_OPTION]')
  })
})
