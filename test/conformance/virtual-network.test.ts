/**
 * The virtual network is a network: the suites of the RPC layer and of the sockets pass on it as they are, with bytes cut at
 * random. Left out are the files, and below the tests, whose peers are bare sockets of `node:net`, other processes, or files.
 */

import { aroundEach, describe } from 'vitest'
import { whollyVirtually } from '../helpers/virtually.ts'

const SUITES: Record<string, () => Promise<unknown>> = {
  'rpc/back-pressure': () => import('../integration/rpc/back-pressure.test.ts'),
  'rpc/context': () => import('../integration/rpc/context.test.ts'),
  'rpc/curve': () => import('../integration/rpc/curve.test.ts'),
  'rpc/execute': () => import('../integration/rpc/execute.test.ts'),
  'rpc/leaks': () => import('../integration/rpc/leaks.test.ts'),
  'rpc/options': () => import('../integration/rpc/options.test.ts'),
  'rpc/publish': () => import('../integration/rpc/publish.test.ts'),
  'rpc/registration': () => import('../integration/rpc/registration.test.ts'),
  'rpc/sender-receiver': () => import('../integration/rpc/sender-receiver.test.ts'),
  'rpc/several-endpoints': () => import('../integration/rpc/several-endpoints.test.ts'),
  'rpc/stop': () => import('../integration/rpc/stop.test.ts'),
  'sockets/conformance': () => import('../integration/sockets/conformance.test.ts'),
  'sockets/dealer-router': () => import('../integration/sockets/dealer-router.test.ts'),
  'sockets/endpoints': () => import('../integration/sockets/endpoints.test.ts'),
  'sockets/pair': () => import('../integration/sockets/pair.test.ts'),
  'sockets/proxy': () => import('../integration/sockets/proxy.test.ts'),
  'sockets/publish-options': () => import('../integration/sockets/publish-options.test.ts'),
  'sockets/request-reply': () => import('../integration/sockets/request-reply.test.ts'),
}

const REAL_SOCKETS_ONLY = new Set([
  'has its calls aborted, and no others',
  'gives each its own request, in order, also when it reads on in the middle of it',
  'no longer counts one that takes back all it has asked for',
  'beyond maxPublished misses the listener that does not keep up, with an event, and no other',
  'waits at the high-water mark',
  'says EHOSTUNREACH to whoever waits when the peer goes',
  'without mandatory drops over the mark',
  'keep-alive is on for both ends, or for neither',
  'the file is there while it is bound, and no longer',
  'a file that is no socket is left alone',
  'a file that a dead process left behind is no obstacle',
  'a folder that is not there is an error; connecting waits for it',
])

describe('on a virtual network', async () => {
  aroundEach(async (runTest, { task, skip }) => {
    if (REAL_SOCKETS_ONLY.has(task.name)) skip('needs a real socket or file')
    await whollyVirtually(runTest, { chunking: 'random' })
  })

  // Each in a group of its own: what it does before and after a test is for its own tests only.
  describe.each(Object.entries(SUITES))('%s', async (_name, suite) => {
    await suite()
  })
})
