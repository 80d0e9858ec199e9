/** The examples and the demo do what they say, with the built package. */

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { peer } from '../helpers/peers.ts'
import { ROOT } from './project.ts'
import { useExamples } from './use-examples.ts'

const python = peer('pyzmqrpc3')
const { run, runPython, endpointOf, project } = useExamples()

describe('the request and reply example', () => {
  it('answers', async () => {
    const server = run('request-reply/server.ts', ['--endpoint', 'tcp://127.0.0.1:0'])
    const client = run('request-reply/client.ts', ['--endpoint', await endpointOf(server)])
    await client.exits(0)
    expect(client.lines).toEqual(['SimpleCommand was executed with "value1" and "value2"'])
    await server.line(/^pi asks for SimpleCommand/)
  })

  it('asks several servers in turn', async () => {
    const servers = [1, 2].map(() => run('request-reply/server.ts', ['--endpoint', 'tcp://127.0.0.1:0']))
    const endpoints = await Promise.all(servers.map(endpointOf))
    const client = run('request-reply/client.ts', [...endpoints.flatMap((endpoint) => ['--endpoint', endpoint]), '--calls', '10'])
    await client.exits(0)
    await client.line(/^10 of 10 calls/)
    await Promise.all(servers.map((server) => server.line(/asks for/)))
  })

  it('refuses a wrong password, and says so', async () => {
    const server = run('request-reply/server.ts', ['--endpoint', 'tcp://127.0.0.1:0'])
    const client = run('request-reply/client.ts', ['--endpoint', await endpointOf(server), '--password', 'guessed'])
    await client.exits(1)
    expect(client.lines[0]).toContain('[AUTH_REFUSED]')
    expect(server.lines.some((line) => line.includes('asks for'))).toBe(false)
  })

  it('says so when nobody is there', async () => {
    const client = run('request-reply/client.ts', ['--endpoint', 'tcp://127.0.0.1:1', '--timeout', '300'])
    await client.exits(1)
    expect(client.lines[0]).toMatch(/\[NOT_CONNECTED\].*ECONNREFUSED/)
  })

  it.each(['SIGTERM', 'SIGINT'] as const)('stops in good order on %s', async (signal) => {
    const server = run('request-reply/server.ts', ['--endpoint', 'tcp://127.0.0.1:0'])
    await endpointOf(server)
    server.kill(signal)
    await server.exits(0)
    await server.line(/^stopped$/)
  })

  it('works with a proxy between that has passwords of its own, and for Python', async () => {
    const server = run('request-reply/server.ts', ['--endpoint', 'tcp://127.0.0.1:0', '--password', 'inner'])
    const to = ['--to', await endpointOf(server), '--to-password', 'inner']
    const proxy = run('request-reply/proxy.ts', ['--endpoint', 'tcp://127.0.0.1:0', ...to])
    const endpoint = await endpointOf(proxy)
    const answer = 'SimpleCommand was executed with "value1" and "value2"'
    const client = run('request-reply/client.ts', ['--endpoint', endpoint])
    await client.exits(0)
    expect(client.lines).toEqual([answer])
    if (python.available) {
      const caller = runPython(python.python, 'request-reply/client.py', ['--endpoint', endpoint])
      await caller.line(/was executed/)
    }
    proxy.kill('SIGTERM')
    await proxy.exits(0)
    await proxy.line(python.available ? /^stopped after 2 calls; failed: \{\}$/ : /^stopped after 1 calls/)
  })

  it('stops its server when asked', async () => {
    const server = run('request-reply/server.ts', ['--endpoint', 'tcp://127.0.0.1:0'])
    await run('request-reply/client.ts', ['--endpoint', await endpointOf(server), '--shutdown']).exits(0)
    await server.exits(0)
  })
})

describe('the publish and subscribe example', () => {
  it('reaches every subscriber', async () => {
    const publisher = run('publish-subscribe/publisher.ts', [
      '--endpoint',
      'tcp://127.0.0.1:0',
      '--subscribers',
      '2',
      '--count',
      '3',
      '--interval',
      '1',
    ])
    const endpoint = await endpointOf(publisher)
    const subscribers = [1, 2].map(() => run('publish-subscribe/subscriber.ts', ['--endpoint', endpoint, '--count', '3']))
    for (const subscriber of subscribers) {
      await subscriber.exits(0)
      expect(subscriber.lines.filter((line) => line.includes('says'))).toEqual(
        ['20', '20.5', '21'].map((celsius) => `pi says: kitchen ${celsius} °C`),
      )
    }
    await publisher.exits(0)
  })

  it('reaches subscribers through a proxy', async () => {
    const publisher = run('publish-subscribe/publisher.ts', ['--endpoint', 'tcp://127.0.0.1:0', '--count', '100', '--interval', '20'])
    const proxy = run('publish-subscribe/proxy.ts', ['--from', await endpointOf(publisher), '--endpoint', 'tcp://127.0.0.1:0'])
    const subscriber = run('publish-subscribe/subscriber.ts', ['--endpoint', await endpointOf(proxy), '--count', '3'])
    await subscriber.exits(0)
    await subscriber.line(/^pi says: kitchen/)
    proxy.kill('SIGTERM')
    await proxy.exits(0)
  })

  it('does not listen to a publisher with a wrong password, and says so', async () => {
    const publisher = run('publish-subscribe/publisher.ts', ['--endpoint', 'tcp://127.0.0.1:0', '--password', 'guessed'])
    const subscriber = run('publish-subscribe/subscriber.ts', ['--endpoint', await endpointOf(publisher)])
    await subscriber.line(/^no connection with .* refused/)
    expect(publisher.lines.some((line) => line.includes('published'))).toBe(false)
  })
})

describe('the outage example', () => {
  it('loses no sample, though the link is cut and the proxy killed', async () => {
    const story = run('outage/outage.ts', ['--count', '100'])
    await story.exits(0, 90_000)
    expect(story.lines).toContain('In the lab: nothing is missing.')
    expect(story.lines).toContain('In the lab: south: 100 samples, in order.')
  }, 100_000)
})

describe('the demo', () => {
  it.skipIf(!python.available)('runs everything, ends with 0 and leaves nothing behind', { timeout: 60_000 }, async () => {
    // It finds what is installed already.
    mkdirSync(project().path('.peers'))
    symlinkSync(join(ROOT, '.peers/python'), project().path('.peers/python'))
    const demo = run('demo.ts', [], { wholeGroup: true })
    await demo.exits(0, 50_000)
    for (const expected of [
      /1000 of 1000 calls/,
      /refused at once/,
      /number 2 .*kitchen/,
      /client\.py calls server\.ts/,
      /client\.ts calls server\.py/,
      /worked/,
    ]) {
      await demo.line(expected)
    }
    expect(demo.lines.join('\n')).not.toContain('\x1b')
    expect(processesOf(project().folder)).toEqual([])
  })

  it('says why it leaves Python out, and ends with 0', { timeout: 60_000 }, async () => {
    const elsewhere = project().path('without-python')
    cpSync(project().path('examples'), join(elsewhere, 'examples'), { recursive: true })
    cpSync(project().path('scripts'), join(elsewhere, 'scripts'), { recursive: true })
    cpSync(project().path('test'), join(elsewhere, 'test'), { recursive: true })
    const demo = run('../without-python/examples/demo.ts', [], { env: { PATH: elsewhere } })
    await demo.exits(0, 50_000)
    await demo.line(/left out, since pyzmqrpc3 cannot be had here: .*ENOENT/)
  })

  it('ends with 1 and says what is wrong', { timeout: 60_000 }, async () => {
    cpSync(project().path('examples'), project().path('broken/examples'), { recursive: true })
    project().write('broken/examples/request-reply/server.ts', 'console.log("no server of this kind")')
    const demo = run('../broken/examples/demo.ts')
    await demo.exits(1, 50_000)
    await demo.line(/The demo failed: server\.ts ended without a line like/)
    await demo.line(/no server of this kind/)
    expect(processesOf(project().path('broken'))).toEqual([])
  })
})

/** Programs that are running from this folder. */
function processesOf(folder: string): string[] {
  const listed = spawnSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' })
  return (listed.stdout ?? '').split('\n').filter((line) => line.includes(`${folder}/`))
}
