/** Tests in virtual time: those about milliseconds, which no machine keeps for us, and whole suites that may run there as well. */

import { simulate, TestNetwork, type TestNetworkOptions } from '../../src/testing/index.ts'

/** What the test that runs is on as a whole. */
let around: TestNetwork | undefined

/** Runs a test on a virtual network, and cleans up after it there. */
export async function virtually(test: (network: TestNetwork) => Promise<void>, cleanUp: () => Promise<void>): Promise<void> {
  if (around !== undefined) return test(around)
  await simulate(async (network) => {
    try {
      await test(network)
    } finally {
      await cleanUp()
    }
  })
}

/** Runs a test and the hooks around it on a virtual network, as they are. */
export async function whollyVirtually(runTest: () => Promise<void>, options: TestNetworkOptions): Promise<void> {
  using network = new TestNetwork(options)
  around = network
  let over = false
  const test = runTest().finally(() => {
    over = true
  })
  const errors: unknown[] = []
  // One that fails still wants to clean up after itself.
  while (!over) await network.run(test).catch((error) => errors.push(error))
  around = undefined
  if (errors.length > 0) throw errors[0]
}
