import { describe, expect, it } from 'vitest'
import { RpcServer } from '../../../../src/index.ts'
import { Count, endpointOf, useRpc } from '../helpers.ts'
const rpc = useRpc()
const TCP = { rep: 'tcp://127.0.0.1:0' }
describe('rolling', () => {
  it.each([[{}],[{retry: false as const}]])('no call fails %#', { timeout: 60000 }, async (opts) => {
    const make = async (rep: string) => {
      const server = rpc.own(new RpcServer({ rep }))
      server.register(Count, async ({ n }) => { if (n % 3 === 0) await new Promise((r) => setTimeout(r, n % 20)); return n })
      await server.start()
      return server
    }
    const servers = [await make(TCP.rep), await make(TCP.rep)] as RpcServer[]
    const client = rpc.client({ req: servers.map(endpointOf), ...opts })
    await client.ready()
    let going = true
    const codes: Record<string, number> = {}
    let n = 0
    const callers = Array.from({ length: 50 }, async () => {
      while (going) {
        const me = n++
        await client.execute(new Count(me)).then(() => { codes['ok'] = (codes['ok'] ?? 0) + 1 }, (e) => { codes[e.code] = (codes[e.code] ?? 0) + 1; if ((codes[e.code] ?? 0) < 3) console.log(e.message) })
      }
    })
    for (let round = 0; round < 10; round++) {
      const which = round % 2
      const old = servers[which] as RpcServer
      const rep = endpointOf(old)
      await old.stop()
      servers[which] = await make(rep)
      await client.ready()
      await new Promise((r) => setTimeout(r, 30))
    }
    going = false
    await Promise.all(callers)
    console.log(opts, codes)
  })
})
