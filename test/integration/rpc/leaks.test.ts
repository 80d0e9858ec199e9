import { describe, expect, it } from 'vitest'
import { Receiver, RpcClient, RpcServer } from '../../../src/index.ts'
import { Count, endpointOf, until, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

/** What keeps this process busy, by kind. */
function resources(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

const alike = (now: Record<string, number>, then: Record<string, number>): boolean =>
  Object.entries(now).every(([name, count]) => count <= (then[name] ?? 0) + (name === 'Timeout' ? 2 : 0))

describe('a thousand clients, one after the other', () => {
  it.each(['tcp://127.0.0.1:0', 'ipc://*', 'inproc://leaks'])('leave nothing behind: %s', { timeout: 60_000 }, async (rep) => {
    const server = await rpc.started({ rep })
    const cycle = async (n: number): Promise<void> => {
      const client = new RpcClient({ req: endpointOf(server) })
      expect(await client.execute(new Count(n))).toBe(n)
      await client.close()
    }
    for (let n = 0; n < 20; n++) await cycle(n)
    const before = resources()
    for (let n = 0; n < 1000; n++) await cycle(n)
    await until(() => alike(resources(), before), `no more than before: ${JSON.stringify(before)}`)
  })
})

describe('a hundred servers, one after the other', () => {
  it('leave nothing behind', async () => {
    const cycle = async (): Promise<void> => {
      const publisher = new RpcClient({ pub: 'tcp://127.0.0.1:0', heartbeatIntervalMs: 1000 })
      await publisher.ready()
      const sub = publisher.publishEndpoint as string
      const server = new RpcServer({ rep: 'tcp://127.0.0.1:0', sub })
      const receiver = new Receiver({ rep: 'tcp://127.0.0.1:0', sub })
      await Promise.all([server.start(), receiver.start()])
      await publisher.ready({ subscribers: 2 })
      await Promise.all([server.stop(), publisher.close(), receiver.stop()])
    }
    for (let n = 0; n < 5; n++) await cycle()
    const before = resources()
    for (let n = 0; n < 100; n++) await cycle()
    await until(() => alike(resources(), before), `no more than before: ${JSON.stringify(before)}`)
  })
})
