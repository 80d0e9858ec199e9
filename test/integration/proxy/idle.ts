import type { RpcProxy } from '../../../src/index.ts'
import { until } from '../../helpers/sockets.ts'

/** Resolves when the proxies have nothing under way. */
export async function idle(...proxies: RpcProxy[]): Promise<void> {
  await until(
    () =>
      proxies.every((proxy) => {
        const { incoming, outgoing } = proxy.stats()
        return incoming.running + incoming.waiting + incoming.streams + outgoing.queued + outgoing.inFlight + outgoing.streams === 0
      }),
    'the proxies have nothing under way',
  )
}
