/** Two sites and the link between them: network namespaces with a cable, where that is allowed, or processes and a forwarder. */

import { spawnSync } from 'node:child_process'
import { createConnection, createServer, type Socket } from 'node:net'

export interface Sites {
  readonly kind: string
  /** Put before a program's command, to run it there. */
  readonly here: readonly string[]
  readonly there: readonly string[]
  /** Where the lab is bound, and where the proxy finds it. */
  readonly labEndpoint: string
  proxyTo(labEndpoint: string): Promise<string>
  cut(): void
  heal(): void
  close(): void
}

export function makeSites(): Sites {
  return namespaces() ?? processes()
}

/** Undefined where this user may make none. */
function namespaces(): Sites | undefined {
  const [here, there] = [`here-${process.pid}`, `there-${process.pid}`]
  const ip = (...args: string[]): boolean => spawnSync('ip', args, { stdio: 'ignore' }).status === 0
  const close = (): void => {
    ip('netns', 'del', here)
    ip('netns', 'del', there)
  }
  const made =
    process.getuid?.() === 0 &&
    ip('netns', 'add', here) &&
    ip('netns', 'add', there) &&
    ip('link', 'add', 'cable', 'netns', here, 'type', 'veth', 'peer', 'name', 'cable', 'netns', there) &&
    ip('-n', here, 'addr', 'add', '10.77.0.1/24', 'dev', 'cable') &&
    ip('-n', there, 'addr', 'add', '10.77.0.2/24', 'dev', 'cable') &&
    [here, there].every((name) => ip('-n', name, 'link', 'set', 'cable', 'up') && ip('-n', name, 'link', 'set', 'lo', 'up'))
  if (!made) {
    close()
    return undefined
  }
  const within = (name: string): string[] => ['ip', 'netns', 'exec', name]
  return {
    kind: 'two network namespaces',
    here: within(here),
    there: within(there),
    labEndpoint: 'tcp://10.77.0.2:30000',
    proxyTo: async (endpoint) => endpoint,
    cut: () => void ip('-n', here, 'link', 'set', 'cable', 'down'),
    heal: () => void ip('-n', here, 'link', 'set', 'cable', 'up'),
    close,
  }
}

function processes(): Sites {
  const connections = new Set<Socket>()
  let whole = true
  let port = 0
  const forwarder = createServer((near) => {
    if (!whole) return near.destroy()
    const far = createConnection(port, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      connections.add(one)
      one.pipe(other)
      one
        .on('error', () => other.destroy())
        .on('close', () => {
          connections.delete(one)
          other.destroy()
        })
    }
    return undefined
  })
  return {
    kind: 'processes, with a forwarder between them',
    here: [],
    there: [],
    labEndpoint: 'tcp://127.0.0.1:0',
    proxyTo: (endpoint) => {
      port = Number(endpoint.split(':').pop())
      return new Promise((resolve) => {
        forwarder.listen(0, '127.0.0.1', () => {
          const address = forwarder.address()
          resolve(`tcp://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`)
        })
      })
    },
    cut: () => {
      whole = false
      for (const connection of connections) connection.destroy()
    },
    heal: () => {
      whole = true
    },
    close: () => void forwarder.close(),
  }
}
