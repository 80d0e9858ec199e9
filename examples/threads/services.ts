/** The services of server.ts. Each of its threads loads this module, and none of them shares a variable with another. */

import { threadId } from 'node:worker_threads'
import type { RegisterServices } from 'zmq-rpc'
import { CountPrimes } from './commands.ts'

export default ((services) => {
  // Keeps its thread, and nobody else, from everything.
  services.register(CountPrimes, ({ below }) => {
    const isComposite = new Uint8Array(below)
    let primes = 0
    for (let n = 2; n < below; n++) {
      if (isComposite[n]) continue
      primes++
      for (let multiple = n * n; multiple < below; multiple += n) isComposite[multiple] = 1
    }
    return { primes, thread: threadId }
  })
}) satisfies RegisterServices
