/** Examples of what comes up once there is more than one client and one server. With the built package. */

import { appendFileSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { peer } from '../helpers/peers.ts'
import { useExamples } from './use-examples.ts'

const python = peer('pyzmqrpc3')
const { run, runPython, endpointOf, project } = useExamples()

const LOCAL = ['--endpoint', 'tcp://127.0.0.1:0']

describe('the example of keys', () => {
  it('lets in whose public key lies at the server, by name, and nobody else', async () => {
    const [server, roof, stranger] = ['keys-of-server', 'keys-of-roof', 'keys-of-stranger'].map((keys) => ['--keys', project().path(keys)])
    const make = (name: string, keys: string[] = []) => run('curve/keys.ts', [name, ...keys]).exits(0)
    await Promise.all([make('server', server), make('roof', roof), make('stranger', stranger)])
    const carry = (name: string, from: string, to: string): void =>
      project().write(`${to}/${name}.public`, readKey(`${from}/${name}.public`))
    carry('server', 'keys-of-server', 'keys-of-roof')
    carry('server', 'keys-of-server', 'keys-of-stranger')
    carry('roof', 'keys-of-roof', 'keys-of-server')

    const running = run('curve/server.ts', [...LOCAL, ...(server as string[])])
    expect(await running.line(/listening/)).toMatch(/^open to roof, /)
    const endpoint = ['--endpoint', await endpointOf(running)]
    const client = run('curve/client.ts', [...endpoint, ...(roof as string[])])
    await client.exits(0)
    expect(client.lines).toEqual(['the hatch is open'])
    await running.line(/^roof opens the hatch$/)

    const refused = run('curve/client.ts', [...endpoint, ...(stranger as string[]), '--name', 'stranger'])
    await refused.exits(1)
    expect(refused.lines[0]).toContain('[AUTH_REFUSED]')
  })

  it('never writes over a key', async () => {
    const keys = ['--keys', project().path('kept')]
    await run('curve/keys.ts', ['roof', ...keys]).exits(0)
    const before = readKey('kept/roof.secret')
    await run('curve/keys.ts', ['roof', ...keys]).exits(1)
    expect(readKey('kept/roof.secret')).toBe(before)
  })
})

describe('the example of several servers', () => {
  it('has no call fail when one of them is killed, and gives it its share when it is back', { timeout: 60_000 }, async () => {
    const serve = (name: string, endpoint = 'tcp://127.0.0.1:0') =>
      run('several-servers/server.ts', ['--name', name, '--endpoint', endpoint])
    const [one, two] = [serve('one'), serve('two')]
    const endpoints = [await endpointOf(one), await endpointOf(two)]
    const client = run(
      'several-servers/client.ts',
      endpoints.flatMap((endpoint) => ['--endpoint', endpoint]),
    )
    await client.line(/^answered by one: \d+, two: \d+$/)
    one.kill('SIGKILL')
    await client.line(/^answered by two: \d+$/)
    const before = client.lines.length
    const again = serve('one', endpoints[0])
    await endpointOf(again)
    await again.line(/listening/)
    const back = /^answered by one: \d+, two: \d+$/
    while (!client.lines.slice(before).some((line) => back.test(line))) await client.nextLine()
    client.kill('SIGINT')
    await client.exits(0)
    await client.line(/^\d+ calls were answered, 0 failed$/)
    again.kill('SIGINT')
    await again.line(/^one has stopped after \d+ calls$/)
  })
})

describe('the example of threads', () => {
  it('computes several things at a time, and answers meanwhile', async () => {
    const server = run('threads/server.ts', [...LOCAL, '--threads', '2'])
    const client = run('threads/client.ts', ['--endpoint', await endpointOf(server), '--below', '3000000', '--calls', '4'])
    await client.exits(0)
    expect(client.lines[0]).toMatch(/^\d under way, \d waiting after/)
    const threads = client.lines.slice(1).map((line) => /^216816 primes, says thread (\d+)/.exec(line)?.[1])
    expect([threads.length, new Set(threads).size]).toEqual([4, 2])
    server.kill('SIGTERM')
    await server.exits(0)
    await server.line(/^stopped$/)
  })
})

describe('the example of a log', () => {
  it('writes what there is and what comes, and has the reading end at the server', async () => {
    project().write('logs/app.log', 'one\ntwo\n')
    const server = run('log-stream/server.ts', [...LOCAL, '--folder', project().path('logs')])
    const endpoint = ['--endpoint', await endpointOf(server)]
    const client = run('log-stream/client.ts', [...endpoint, '--file', 'app.log', '--lines', '4'])
    const patient = run('log-stream/client.ts', [...endpoint, '--file', 'app.log'])
    await Promise.all([client.line(/^two$/), patient.line(/^two$/)])
    appendFileSync(project().path('logs/app.log'), 'thr')
    appendFileSync(project().path('logs/app.log'), 'ee\nfour\nfive\n')
    await client.exits(0)
    expect(client.lines).toEqual(['one', 'two', 'three', 'four'])
    await patient.line(/^five$/)
    patient.kill('SIGINT')
    await patient.exits(0)
    while (server.lines.filter((line) => line.endsWith('is not read any more')).length < 2) await server.nextLine()
  })

  it.each([
    ['nothing.log', /ENOENT/],
    ['../logs/app.log', /is no name of a log file/],
  ])('says so when there is none: %s', async (file, text) => {
    project().write('logs/app.log', '')
    const server = run('log-stream/server.ts', [...LOCAL, '--folder', project().path('logs')])
    const client = run('log-stream/client.ts', ['--endpoint', await endpointOf(server), '--file', file])
    await client.exits(1)
    expect(client.lines[0]).toMatch(text)
  })
})

describe.skipIf(!python.available)('the example of a Python fleet', () => {
  it('takes the reports of each sensor, and says when the next one is wanted', async () => {
    const server = run('python-fleet/server.ts', [...LOCAL, '--interval', '0.2'])
    const endpoint = ['--endpoint', await endpointOf(server)]
    const fleet = runPython(python.python as string, 'python-fleet/fleet.py', [...endpoint, '--size', '3'], { wholeGroup: true })
    for (const name of ['sensor-1', 'sensor-2', 'sensor-3']) {
      await server.line(new RegExp(`^${name} is there$`))
      await fleet.line(new RegExp(`^${name} reported \\d`))
    }
    // The second one comes when the server wants it, not after the 5 s of a sensor that is not told.
    while (fleet.lines.filter((line) => line.startsWith('sensor-1 reported')).length < 3) await fleet.nextLine(3000)
    await fleet.stop()
    for (const name of ['sensor-1', 'sensor-2', 'sensor-3']) await server.line(new RegExp(`^${name} has fallen silent$`))
    server.kill('SIGINT')
    await server.exits(0)
    // One that was late may have fallen silent before, and come back.
    await server.line(/^stopped after \d+ reports of \d+ sensors$/)
  })
})

function readKey(file: string): string {
  return readFileSync(project().path(file), 'utf8')
}
