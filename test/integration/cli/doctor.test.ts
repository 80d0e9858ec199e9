/** `doctor`: what it finds, where it stops, and what it advises. */

import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { RpcClient } from '../../../src/index.ts'
import { useCli } from '../../helpers/cli.ts'
import { freePort, nowhere } from '../../helpers/free-ports.ts'

const cli = useCli()

let servers: Server[] = []
afterEach(() => {
  for (const server of servers) server.close()
  servers = []
})

async function listening(server: Server): Promise<string> {
  servers.push(server.listen(0, '127.0.0.1'))
  await once(server, 'listening')
  return `tcp://127.0.0.1:${(server.address() as { port: number }).port}`
}

/** The steps in short: `✓ name ✗ connection`. */
function steps(stdout: string): string {
  return [...stdout.matchAll(/^([✓✗?]) (\w+)/gm)].map(([, mark, step]) => `${mark} ${step}`).join(' ')
}

describe('doctor', () => {
  it('finds nothing wrong with a server that answers, and with a command that is served', async () => {
    const { endpoint } = await cli.serve()
    const { code, stdout, stderr } = await cli.run(['doctor', endpoint, 'Greet'])
    expect({ code, stderr, steps: steps(stdout) }).toEqual({
      code: 0,
      stderr: '',
      steps: '✓ connection ✓ protocol ✓ admission ✓ answer ✓ service',
    })
    expect(stdout).toMatch(/in the native dialect, serving/)
    expect(stdout).toContain('All is well')
  })

  it('tells a command that is not served, and one that is written otherwise', async () => {
    const { endpoint } = await cli.serve()
    const { code, stdout } = await cli.run(['doctor', endpoint, 'greet'])
    expect(code).toBe(6)
    expect(steps(stdout)).toMatch(/✓ answer ✗ service$/)
    expect(stdout).toContain('There is Greet')
    expect((await cli.run(['doctor', endpoint, 'Nope'])).stdout).toMatch(/There is Echo, Fail, .*Is its service registered/)
  })

  it('tells a port on which nobody listens', async () => {
    const port = await freePort()
    const { code, stdout } = await cli.run(['doctor', `localhost:${port}`])
    expect({ code, steps: steps(stdout) }).toEqual({ code: 3, steps: '✓ name ✗ connection' })
    expect(stdout).toContain(`nobody listens on port ${port}`)
    expect(stdout).toContain('Does the server run')
  })

  it('tells a name that there is not', async () => {
    const { code, stdout } = await cli.run(['doctor', 'tcp://no-such-host.invalid:30000'])
    expect({ code, steps: steps(stdout) }).toEqual({ code: 3, steps: '✗ name' })
    expect(stdout).toMatch(/no-such-host\.invalid/)
  })

  it('tells an HTTP server, and one that says nothing', async () => {
    const http = await listening(createHttpServer((_, response) => response.end('hello')))
    const web = await cli.run(['doctor', http])
    expect({ code: web.code, steps: steps(web.stdout) }).toEqual({ code: 3, steps: '✓ connection ✗ protocol' })
    expect(web.stdout).toMatch(/this is an HTTP server: it begins with "HTTP\/1\.1 400/)

    const silent = await listening(createServer((socket) => socket.on('error', () => {})))
    const mute = await cli.run(['doctor', silent, '-t', '300ms'])
    expect({ code: mute.code, steps: steps(mute.stdout) }).toEqual({ code: 3, steps: '✓ connection ✗ protocol' })
    expect(mute.stdout).toContain('says nothing')

    const curt = await listening(createServer((socket) => socket.end()))
    expect((await cli.run(['doctor', curt])).stdout).toContain('it hangs up at once')
  })

  it('tells a password that is missing, wrong, or not asked for', async () => {
    const ada = { ZMQ_RPC_USERNAME: 'ada', ZMQ_RPC_PASSWORD: 'right' }
    const { endpoint } = await cli.serve([], { env: ada })
    const missing = await cli.run(['doctor', endpoint])
    expect({ code: missing.code, steps: steps(missing.stdout) }).toEqual({ code: 4, steps: '✓ connection ✗ protocol' })
    expect(missing.stdout).toMatch(/asks for a name and a password, and was to be given nothing[\s\S]*ZMQ_RPC_PASSWORD/)

    const wrong = await cli.run(['doctor', endpoint], { env: { ...ada, ZMQ_RPC_PASSWORD: 'wrong' } })
    expect({ code: wrong.code, steps: steps(wrong.stdout) }).toEqual({ code: 4, steps: '✓ connection ✓ protocol ✗ admission' })

    const open = await cli.serve()
    const vain = await cli.run(['doctor', open.endpoint], { env: ada })
    expect({ code: vain.code, steps: steps(vain.stdout) }).toEqual({ code: 4, steps: '✓ connection ✗ protocol' })
    expect(vain.stdout).toContain('asks for nothing, and was to be given a name and a password')
  })

  it('tells a publisher', async () => {
    await using publisher = new RpcClient({ pub: 'tcp://127.0.0.1:0' })
    await publisher.ready()
    const { code, stdout } = await cli.run(['doctor', publisher.publishEndpoint as string, '-t', '500ms'])
    expect({ code, steps: steps(stdout) }).toEqual({ code: 3, steps: '✓ connection ✓ protocol ✗ admission' })
    expect(stdout).toContain('zmq-rpc snoop')
  })

  it('tells a server that hangs', async () => {
    const { endpoint, server } = await cli.serve()
    server.child.kill('SIGSTOP')
    const { code, stdout } = await cli.run(['doctor', endpoint, '-t', '300ms'])
    server.child.kill('SIGCONT')
    expect(code).toBe(3)
    expect(stdout).toContain('the program hangs')
  })

  it.skipIf(process.platform === 'win32')('tells an ipc path that is not there, or left over', async () => {
    const path = join(cli.folder(), 'server.sock')
    expect(await cli.run(['doctor', `ipc://${path}`])).toMatchObject({ code: 3, stdout: expect.stringContaining(`there is no ${path}`) })
    const { endpoint, server } = await cli.serve(['--rep', `ipc://${path}`])
    expect(await cli.run(['doctor', `ipc://${path}`])).toMatchObject({ code: 0 })
    expect(endpoint).toContain('tcp://')
    await server.kill()
    expect(await cli.run(['doctor', `ipc://${path}`])).toMatchObject({ code: 3, stdout: expect.stringContaining('nobody listens on it') })
  })

  it('tells a proxy whose far end is away', async () => {
    const proxy = cli.start(['proxy', '--rep', 'tcp://127.0.0.1:0', '--req', await nowhere(), '-t', '300ms'])
    const [, endpoint = ''] = await proxy.says(/passing on from (\S+) to/)
    const { code, stdout } = await cli.run(['doctor', endpoint])
    expect({ code, steps: steps(stdout) }).toEqual({ code: 6, steps: '✓ connection ✓ protocol ✓ admission ✗ answer' })
    expect(stdout).toMatch(/this is a proxy; it answers, but what it passes on to does not: .*ECONNREFUSED/)
  })

  it('says the same as JSON', async () => {
    const { code, stdout } = await cli.run(['doctor', await nowhere(), '--json'])
    expect(code).toBe(3)
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      steps: [{ step: 'connection', ok: false, text: expect.any(String), advice: expect.any(String), ms: expect.any(Number) }],
    })
  })

  it('refuses what is no endpoint', async () => {
    for (const endpoint of ['nowhere', 'inproc://a', 'tcp://*:1', 'tcp://a:99999']) {
      expect(await cli.run(['doctor', endpoint]), endpoint).toMatchObject({ code: 2, stdout: '' })
    }
  })
})
