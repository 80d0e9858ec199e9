/** Ends of connections on a virtual network, for the tests of that network. */

import { afterEach, beforeEach, expect } from 'vitest'
import { type Host, TestNetwork, type TestNetworkOptions } from '../../../src/testing/index.ts'
import { parseEndpoint } from '../../../src/transport/endpoint.ts'
import type { Listener, Pipe, TransportOptions } from '../../../src/transport/pipe.ts'
import { dial, listen } from '../../../src/transport/transports.ts'

export const OPTIONS: TransportOptions = { backlog: 10, ipv6: false, connectTimeoutMs: 0, tcpKeepaliveMs: undefined }

/** That of the test that runs. */
export let network: TestNetwork

/** Another one, for a test that wants one of its own. */
export function begin(options: TestNetworkOptions = {}): void {
  network?.uninstall()
  network = new TestNetwork(options)
}

/** To be called once, at the top of a test file. */
export function useNetwork(): void {
  beforeEach(() => begin())
  afterEach(() => network.uninstall())
}

/** One end of a connection, with what it has heard. */
export class End {
  readonly pipe: Pipe
  readonly chunks: { at: number; bytes: Buffer }[] = []
  drained = 0
  /** When it closed, and why. */
  closed: { at: number; error: Error | undefined } | undefined

  constructor(pipe: Pipe) {
    this.pipe = pipe
    pipe.open({
      onData: (bytes) => this.chunks.push({ at: network.time.now, bytes }),
      onDrained: () => this.drained++,
      onClosed: (error) => {
        expect(this.closed).toBeUndefined()
        this.closed = { at: network.time.now, error }
      },
    })
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks.map(({ bytes }) => bytes))
  }
}

export interface Bound extends Listener {
  readonly accepted: End[]
}

export function bind(host: Host, endpoint = 'tcp://*:30000', options = OPTIONS): Promise<Bound> {
  return host.run(async () => {
    const accepted: End[] = []
    const address = parseEndpoint(endpoint, 'bind') as Parameters<typeof listen>[0]
    const listener = await listen(address, options, { accepted: (pipe) => accepted.push(new End(pipe)), failed: () => {} })
    return { endpoint: listener.endpoint, close: () => listener.close(), accepted }
  })
}

export function connect(
  host: Host,
  endpoint: string,
  options: Partial<TransportOptions> = {},
  signal = new AbortController().signal,
): Promise<End> {
  return host.run(async () => {
    const address = parseEndpoint(endpoint, 'connect') as Parameters<typeof dial>[0]
    return new End(await dial(address, { ...OPTIONS, ...options }, signal))
  })
}

/** A connection from `a` to `b`. */
export async function pair(): Promise<[a: End, b: End]> {
  const bound = await bind(network.host('b'))
  const a = await network.run(connect(network.host('a'), 'tcp://b:30000'))
  await network.runUntil(() => bound.accepted.length === 1)
  return [a, bound.accepted[0] as End]
}
