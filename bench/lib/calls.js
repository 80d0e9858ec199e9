/** The call of all RPC rows: two short strings in, one out. So many callers, each with one call under way; every answer is compared. */

import { during } from './agent.js'

/** @typedef {{ inFlight: number, seconds: number }} Work */

/** @param {(greeting: string, name: string) => Promise<unknown>} greet @param {Work} work */
export async function makeCalls(greet, { inFlight, seconds }) {
  const time = during(seconds)
  const from = performance.now()
  let count = 0
  const caller = async () => {
    while (time.running) {
      const name = `caller ${count++ % 100}`
      const answer = await greet('Hello', name)
      if (answer !== `Hello ${name}`) throw new Error(`wrong: ${answer} for ${name}`)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
  return { count, seconds: (performance.now() - from) / 1000 }
}
