import type { RpcServer, RpcServerOptions, ThreadsOptions } from '../../../../src/index.ts'
import type { Rpc } from '../../../helpers/rpc.ts'
import { TYPESCRIPT } from '../../../helpers/typescript.ts'

export const LOCAL = 'tcp://127.0.0.1:0'
export const SERVICES = new URL('./services.ts', import.meta.url)

type Options = Omit<RpcServerOptions, 'threads'> & { threads?: Partial<ThreadsOptions> | number }

/** A server, started, with the services of `services.ts` in threads: one, unless it is told how many. */
export async function serve(rpc: Rpc, { threads = 1, ...options }: Options = {}): Promise<RpcServer> {
  const own = typeof threads === 'number' ? { count: threads } : { count: 1, ...threads }
  const server = rpc.server({ rep: LOCAL, services: SERVICES, threads: { execArgv: TYPESCRIPT, ...own }, ...options })
  await server.start()
  return server
}
