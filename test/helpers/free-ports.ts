/**
 * Ports that stay free until a test takes them: for programs that cannot take any and tell which, and for places where nobody is, yet.
 * They lie below those that systems give to whoever does not care which (32768 and up), so that neither a `bind` to port 0 nor a connection
 * of another test can have one meanwhile; and each of the processes that run tests at the same time has some of its own.
 */

import { Context, Pull } from '../../src/socket/index.ts'

const FIRST = 12_000
const PER_PROCESS = 500
const PROCESSES = 30

const mine = FIRST + (Number(process.env['VITEST_POOL_ID'] ?? process.pid) % PROCESSES) * PER_PROCESS
// Not where the file before has just let go of its own.
let next = Math.floor(Math.random() * PER_PROCESS)

/** A port of this machine on which nobody listens. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PER_PROCESS; tries++) {
    const port = mine + (next++ % PER_PROCESS)
    if (await isFree(port)) return port
  }
  throw new Error(`none of the ports from ${mine} to ${mine + PER_PROCESS - 1} is free`)
}

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) ports.push(await freePort())
  return ports
}

/** An endpoint where nobody is, yet. */
export async function nowhere(): Promise<string> {
  return `tcp://127.0.0.1:${await freePort()}`
}

/** By a socket of ours, which is on the virtual network where the test is. */
async function isFree(port: number): Promise<boolean> {
  const socket = new Pull({ context: new Context() })
  try {
    await socket.bind(`tcp://127.0.0.1:${port}`)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error
  } finally {
    await socket.close()
  }
}
