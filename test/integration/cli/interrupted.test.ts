/** The first Ctrl-C ends whatever waits, for whatever it waits. */

import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type CliProcess, useCli } from '../../helpers/cli.ts'
import { freePort } from '../../helpers/free-ports.ts'
import { until } from '../../helpers/sockets.ts'

const cli = useCli()

let silent: Server | undefined
afterEach(() => silent?.close())

/** Takes connections, and says nothing on them. */
async function listen(): Promise<{ endpoint: string; connections(): number }> {
  let connections = 0
  silent = createServer((socket) => {
    connections++
    socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as { port: number }
  return { endpoint: `tcp://127.0.0.1:${port}`, connections: () => connections }
}

/** Resolves when it reads: no pipe holds that much. */
function reads({ child }: CliProcess): Promise<void> {
  return new Promise((resolve) => child.stdin.write(`${' '.repeat(1024 * 1024)}\n`, () => resolve()))
}

function isBound(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.on('connect', () => socket.destroy()).on('error', () => resolve(false))
  })
}

describe('Ctrl-C', () => {
  it('ends what waits for stdin', async () => {
    const { endpoint } = await cli.serve()
    const waiting = [
      cli.start(['call', endpoint, 'Greet', '--stdin']),
      cli.start(['call', endpoint, 'Sum', '--stream', 'numbers']),
      cli.start(['publish', 'tcp://127.0.0.1:0', 'Measured', '--stdin', '--wait', '0']),
      cli.start(['send', endpoint]),
    ]
    await Promise.all(waiting.map(reads))
    for (const process of waiting) expect(await process.interrupt()).toEqual({ code: 130, stdout: '', stderr: '' })
  })

  it.each([
    ['call', 'Greet', '--connect-timeout', '1h'],
    ['ls', '--connect-timeout', '1h'],
    ['bench', '--connect-timeout', '1h'],
    ['send', 'lights off', '--connect-timeout', '1h'],
    ['ping', '-t', '1h'],
    ['doctor', '-t', '1h'],
  ])('ends %s that waits for a connection', async (command, ...args) => {
    const { endpoint, connections } = await listen()
    const process = cli.start([command, endpoint, ...args])
    await until(() => connections() > 0, 'it connects')
    expect(await process.interrupt()).toMatchObject({ code: 130, stderr: '' })
  })

  it('ends publish that waits for listeners', async () => {
    const port = await freePort()
    const process = cli.start(['publish', `tcp://127.0.0.1:${port}`, 'Measured', '--timeout', '1h'])
    await until(() => isBound(port), 'it is bound')
    expect(await process.interrupt()).toEqual({ code: 130, stdout: '', stderr: '' })
  })
})
