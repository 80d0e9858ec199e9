import { afterEach, describe, expect, it } from 'vitest'
import type { Listener, Transport } from '../../../src/transport/pipe.ts'
import { dial, listen, replaceTransports } from '../../../src/transport/transports.ts'

const OPTIONS = { backlog: 1, ipv6: false, connectTimeoutMs: 0, tcpKeepaliveMs: undefined }
const HANDLER = { accepted: () => {}, failed: () => {} }

/** Says where it was asked to listen, and refuses to dial. */
const stub = (name: string): Transport<unknown> => ({
  listen: async (): Promise<Listener> => ({ endpoint: `${name}://bound`, close: async () => {} }),
  dial: () => Promise.reject(new Error(`${name} was dialled`)),
})

describe('while the transports are replaced', () => {
  afterEach(() => replaceTransports(undefined))

  it('endpoints are bound and dialled on those in their place', async () => {
    replaceTransports({ tcp: stub('tcp'), ipc: stub('ipc') })
    expect((await listen({ transport: 'tcp', host: '*', port: 1 }, OPTIONS, HANDLER)).endpoint).toBe('tcp://bound')
    expect((await listen({ transport: 'ipc', path: '/a' }, OPTIONS, HANDLER)).endpoint).toBe('ipc://bound')
    const { signal } = new AbortController()
    await expect(dial({ transport: 'tcp', host: 'a', port: 1 }, OPTIONS, signal)).rejects.toThrow('tcp was dialled')
    await expect(dial({ transport: 'ipc', path: '/a' }, OPTIONS, signal)).rejects.toThrow('ipc was dialled')
  })

  it('and on the real ones afterwards', async () => {
    replaceTransports({ tcp: stub('tcp'), ipc: stub('ipc') })
    replaceTransports(undefined)
    const listener = await listen({ transport: 'tcp', host: '127.0.0.1', port: 0 }, OPTIONS, HANDLER)
    expect(listener.endpoint).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/)
    await listener.close()
  })
})
