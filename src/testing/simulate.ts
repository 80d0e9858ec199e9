/** A test on a network of its own, in one call. */

import { checkOptions } from '../options.ts'
import { TEST_NETWORK_OPTIONS, TestNetwork, type TestNetworkOptions } from './network.ts'
import { RUN_OPTIONS, type RunOptions } from './virtual-time.ts'

/**
 * Runs a test on a virtual network: installs it, lets time go on while the test runs, and uninstalls it, whatever comes of the test.
 * Gives what the test gives.
 *
 * @throws what the test throws; ZmqRpcError BAD_OPTION; StuckError when it waits for what can never happen, or for longer than `limitMs`.
 * @example
 * ```ts
 * await simulate(
 *   async (network) => {
 *     const server = network.host('server').run(() => new RpcServer({ rep: 'tcp://*:30000' }))
 *     // …
 *   },
 *   { seed: 7, latencyMs: 20 },
 * )
 * ```
 */
export async function simulate<T>(
  test: (network: TestNetwork) => T | PromiseLike<T>,
  options: TestNetworkOptions & RunOptions = {},
): Promise<T> {
  checkOptions('simulate', options, { ...TEST_NETWORK_OPTIONS, ...RUN_OPTIONS })
  const { limitMs, ...conditions } = options
  const network = new TestNetwork(conditions)
  try {
    return await network.run(() => test(network), { limitMs })
  } finally {
    network.uninstall()
  }
}
