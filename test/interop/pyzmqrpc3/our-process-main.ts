/**
 * The program behind `our-process.ts`: a JSON request a line on stdin, its JSON answer a line on stdout.
 *
 * It runs the package from its source; with ZMQ_RPC_BUILT=1 as it was built, under its own name.
 */

import { createInterface } from 'node:readline'
import type { RpcClient } from '../../../src/index.ts'

const {
  RpcClient: Client,
  RpcProxy,
  RpcServer,
} = (await import(process.env['ZMQ_RPC_BUILT'] === '1' ? 'zmq-rpc' : '../../../src/index.ts')) as typeof import('../../../src/index.ts')
const { Echo, KNOWN, serveAll } = await import('./commands.ts')

let client: RpcClient | undefined

async function answer(request: { verb: string } & Record<string, unknown>): Promise<object> {
  switch (request.verb) {
    case 'serve': {
      const server = new RpcServer({ commands: KNOWN, ...(request['options'] as object) })
      serveAll(server)
      await server.start()
      return { endpoints: server.endpoints }
    }
    case 'proxy': {
      const proxy = new RpcProxy(request['options'] as object)
      await proxy.start()
      return { endpoints: proxy.endpoints }
    }
    case 'client':
      client = new Client(request['options'] as object)
      return {}
    case 'echo':
      return client === undefined ? { failed: 'there is no client' } : echo(client, request['value'])
    default:
      return { failed: `no verb ${request.verb}` }
  }
}

async function echo(by: RpcClient, value: unknown): Promise<object> {
  try {
    return { value: await by.execute(new Echo(value)) }
  } catch (thrown) {
    const { code, message } = thrown as { code?: string; message: string }
    return { code, error: message }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  void answer(request).then(
    (response) => console.log(JSON.stringify({ id: request.id, ...response })),
    (error: unknown) => console.log(JSON.stringify({ id: request.id, failed: String(error) })),
  )
}
process.exit()
