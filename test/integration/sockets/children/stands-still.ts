/**
 * Connects, and stands still for longer than its heartbeat time-out each time that it has sent a PING. Writes how many connections it
 * has lost after so many times. Arguments: the endpoint.
 */

import { Dealer } from '../../../../src/socket/index.ts'

const STALLS = 5
const INTERVAL_MS = 100
const TIMEOUT_MS = 100
const STALL_MS = 300

const dealer = new Dealer({ heartbeatInterval: INTERVAL_MS, heartbeatTimeout: TIMEOUT_MS, reconnectInterval: 5, linger: 0 })
let lost = 0
dealer.events.on('disconnect', () => lost++)
const ready = new Promise((resolve) => dealer.events.on('handshake', resolve))
dealer.connect(process.argv[2] as string)
await ready

let sent = dealer.stats().bytesSent
let stalls = 0
await new Promise<void>((resolve) => {
  const look = (): void => {
    const { bytesSent } = dealer.stats()
    // Right after the PING went out: its PONG can only come while this stands still.
    if (bytesSent > sent) {
      sent = bytesSent
      const end = performance.now() + STALL_MS
      while (performance.now() < end);
      stalls++
    }
    if (stalls < STALLS) setImmediate(look)
    else setTimeout(resolve, INTERVAL_MS)
  }
  look()
})
process.stdout.write(`${lost}\n`)
await dealer.close()
