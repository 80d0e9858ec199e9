/** `snoop`, `publish`, `send`, `receive` and `proxy`. */

import { describe, expect, it } from 'vitest'
import { OpaqueCommand, RpcClient } from '../../../src/index.ts'
import { type Ended, jsonLines, useCli } from '../../helpers/cli.ts'
import { freePort, nowhere } from '../../helpers/free-ports.ts'
import { until } from '../../helpers/sockets.ts'

const cli = useCli()

describe('snoop and publish', () => {
  it('shows what is published, in both dialects, and survives a restart of the publisher', async () => {
    const port = await freePort()
    const endpoint = `tcp://127.0.0.1:${port}`
    const snoop = cli.start(['snoop', endpoint, '--json'])
    await snoop.says(/listening to/)
    for (const dialect of ['auto', 'pyzmqrpc3'] as const) {
      await using publisher = new RpcClient({ pub: endpoint, dialect })
      await publisher.ready({ subscribers: 1, timeoutMs: 10_000 })
      await publisher.publish(new OpaqueCommand('Measured', { celsius: 20.5, inner: new OpaqueCommand('Inner', { id: 2n ** 70n }) }))
      const count = dialect === 'auto' ? 1 : 2
      await until(() => jsonLines(snoop.stdout).length === count, 'it is heard')
    }
    const { code, stdout, stderr } = await snoop.interrupt()
    expect(code).toBe(0)
    expect(jsonLines(stdout)).toMatchObject(
      ['native', 'pyzmqrpc3'].map((dialect) => ({ endpoint, kind: 'command', command: 'Measured', dialect, state: { celsius: 20.5 } })),
    )
    expect(stdout.match(/"inner":\{"_icmd_":\["Inner",\{"id":1180591620717411303424\}\]\}/g)).toHaveLength(2)
    expect(stderr).toContain(`lost ${endpoint}`)
    expect(stderr.match(/connected to/g)).toHaveLength(2)
  })

  it('shows heartbeats where they are wanted, and of commands those that are named', async () => {
    await using publisher = new RpcClient({ pub: 'tcp://127.0.0.1:0' })
    await publisher.ready()
    const endpoint = publisher.publishEndpoint as string
    const all = cli.start(['snoop', endpoint, '--heartbeats', '-c', '3'])
    const some = cli.start(['snoop', endpoint, '--command', 'B', '-c', '1'])
    await publisher.ready({ subscribers: 2, timeoutMs: 10_000 })
    await publisher.publish(new OpaqueCommand('A', { n: 1 }))
    await publisher.publish(new OpaqueCommand('B', {}))
    await publisher.sendHeartbeat()
    expect((await all.ended).stdout).toMatch(/^\S+ A \{"n":1\}\n\S+ B \{\}\n\S+ heartbeat\n$/)
    expect((await some.ended).stdout).toMatch(/^\S+ B \{\}\n$/)
  })

  it('publish waits for its listeners, and publishes each line of stdin', async () => {
    const endpoint = await nowhere()
    const publish = cli.start(['publish', endpoint, 'Measured', '--stdin', '--wait', '2', '--json'], { input: '{"n": 1}\n{"n": 2}\n' })
    const snoops = [1, 2].map(() => cli.start(['snoop', endpoint, '-c', '2', '--json']))
    expect(jsonLines((await publish.ended).stdout)).toEqual([{ endpoint, published: 2, listeners: 2, dropped: 0 }])
    for (const snoop of snoops) {
      expect(jsonLines((await snoop.ended).stdout)).toMatchObject([{ state: { n: 1 } }, { state: { n: 2 } }])
    }
  })

  it('publish that nobody listens to ends as not connected', async () => {
    const { code, stderr } = await cli.run(['publish', 'tcp://127.0.0.1:0', 'Measured', '--timeout', '100ms'])
    expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringContaining('0 of 1 subscribers') })
  })

  it('asks a publisher that shows a password, and tells of two that both show one', async () => {
    const credentials = { username: 'pi', password: 'fruit' }
    await using publisher = new RpcClient({ pub: 'tcp://127.0.0.1:0', credentials })
    await publisher.ready()
    const endpoint = publisher.publishEndpoint as string
    const env = { ZMQ_RPC_USERNAME: 'pi', ZMQ_RPC_PASSWORD: 'fruit' }
    const both = cli.start(['snoop', endpoint], { env })
    await both.says(/both sides show a password.*--ask/)
    const { stderr } = await both.interrupt()
    expect(stderr.match(/both sides show/g)).toHaveLength(1)
    const asking = cli.start(['snoop', endpoint, '--ask', '-c', '1'], { env })
    await publisher.ready({ subscribers: 1, timeoutMs: 10_000 })
    await publisher.publish(new OpaqueCommand('A', {}))
    expect(await asking.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/ A \{\}\n$/) })
  })

  it('asks a publisher for its key', async () => {
    const cwd = cli.folder()
    for (const name of ['listener', 'publisher', 'stranger']) await cli.run(['keygen', name], { cwd })
    const endpoint = await nowhere()
    const ask = ['--ask', '--key', 'listener.key_secret', '--allow', 'publisher=publisher.key']
    const snoop = cli.start(['snoop', endpoint, ...ask, '-c', '1'], { cwd })
    const publish = (name: string, ...more: string[]): Promise<Ended> =>
      cli.run(['publish', endpoint, 'A', '--server-key', 'listener.key', '--key', `${name}.key_secret`, ...more], { cwd })
    expect(await publish('stranger', '-t', '500ms')).toMatchObject({ code: 4 })
    expect(await publish('publisher')).toMatchObject({ code: 0 })
    expect(await snoop.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/ A \{\}\n$/) })
  })

  it('says what --ask needs, and what needs --ask', async () => {
    const cases: [string[], RegExp][] = [
      [['--ask'], /--ask for what\?/],
      [['--allow', 'a=b'], /it needs --ask/],
      [['--ask', '--server-key', 'x'], /--ask and --server-key do not go together/],
    ]
    for (const [args, text] of cases)
      expect(await cli.run(['snoop', ':1', ...args])).toMatchObject({ code: 2, stderr: expect.stringMatching(text) })
  })

  it('says why a publisher does not let it listen', async () => {
    const { endpoint } = await cli.serve()
    const snoop = cli.start(['snoop', endpoint])
    await snoop.says(/does not fit|cannot be reached/)
    expect(await snoop.interrupt()).toMatchObject({ code: 0, stdout: '' })
  })
})

describe('send and receive', () => {
  it('waits for a connection no longer than for an answer', async () => {
    const { code, stderr } = await cli.run(['send', await nowhere(), 'hello', '-t', '300ms'])
    expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringContaining('within 300 ms') })
  })

  it('tells that commands are served there, and no texts', async () => {
    const { endpoint } = await cli.serve()
    const { code, stderr } = await cli.run(['send', endpoint, 'hello'])
    expect({ code, stderr }).toEqual({ code: 6, stderr: expect.stringMatching(/this serves commands, and no plain texts: zmq-rpc ls tcp/) })
    expect(stderr).not.toContain('set_command_state')
  })

  it('pass texts on', async () => {
    const receive = cli.start(['receive', 'tcp://127.0.0.1:0', '-c', '2'])
    const [, endpoint = ''] = await receive.says(/listening on (tcp:\S+);/)
    expect(await cli.run(['send', endpoint, 'lights off'])).toMatchObject({ code: 0, stdout: '', stderr: 'taken\n' })
    expect(await cli.run(['send', endpoint, '--json'], { input: 'two\nlines \x1b[31m\n' })).toMatchObject({
      code: 0,
      stdout: '{"answer":null}\n',
    })
    expect(await receive.ended).toMatchObject({ code: 0, stdout: 'lights off\ntwo\\nlines \\u001b[31m\n' })
  })
})

describe('proxy', () => {
  it('passes calls on, with the options of zmqproxy.py, and warns of passwords on the command line', async () => {
    const { endpoint } = await cli.serve([], { env: { ZMQ_RPC_USERNAME: 'gateway', ZMQ_RPC_PASSWORD: 'inner' } })
    const args = [
      '--username_incoming',
      'ada',
      '--password_incoming',
      'outer',
      '--username_outgoing',
      'gateway',
      '--password_outgoing',
      'inner',
    ]
    const proxy = cli.start(['proxy', '--rep', 'tcp://127.0.0.1:0', '--req', endpoint, ...args])
    const [, front = ''] = await proxy.says(/passing on from (\S+) to/)
    const env = { ZMQ_RPC_USERNAME: 'ada', ZMQ_RPC_PASSWORD: 'outer' }
    expect(await cli.run(['call', front, 'WhoAmI'], { env })).toMatchObject({ code: 0, stdout: '"gateway"\n' })
    expect(await cli.run(['call', front, 'Fail'], { env })).toMatchObject({ code: 6, stderr: expect.stringContaining('no paper') })
    const { code, stderr } = await proxy.interrupt()
    expect(code).toBe(0)
    expect(stderr.match(/^warning:/gm)).toHaveLength(2)
    expect(stderr).not.toMatch(/\b(inner|outer)\b/)
  })

  it('takes several values behind one option, as Python does, and secrets from the environment', async () => {
    const [a, b] = [new RpcClient({ pub: 'tcp://127.0.0.1:0' }), new RpcClient({ pub: 'tcp://127.0.0.1:0' })]
    await Promise.all([a.ready(), b.ready()])
    const proxy = cli.start([
      'proxy',
      '--sub',
      a.publishEndpoint as string,
      b.publishEndpoint as string,
      '--pub',
      'tcp://127.0.0.1:0',
      '--json',
    ])
    const [line = ''] = await proxy.says(/\{.*\}/)
    const { from, to } = JSON.parse(line)
    expect(from).toEqual([a.publishEndpoint, b.publishEndpoint])
    const snoop = cli.start(['snoop', to[0], '-c', '2', '--json'])
    await Promise.all([a.ready({ subscribers: 1 }), b.ready({ subscribers: 1 }), snoop.says(/connected to/)])
    const told = async (): Promise<boolean> => {
      await a.publish(new OpaqueCommand('FromA', {}))
      await b.publish(new OpaqueCommand('FromB', {}))
      return snoop.child.exitCode !== null
    }
    await until(told, 'both are heard behind the proxy')
    expect(new Set(jsonLines(snoop.stdout).map((heard) => (heard as { command: string }).command)).size).toBeGreaterThan(0)
    await Promise.all([a.close(), b.close()])
  })

  it('asks for keys on one side, and shows its own on the other', async () => {
    const cwd = cli.folder()
    for (const name of ['server', 'gateway', 'ada']) await cli.run(['keygen', name], { cwd })
    const { endpoint } = await cli.serve(['--key', 'server.key_secret', '--allow', 'gateway=gateway.key'], { cwd })
    const incoming = ['--key_incoming', 'gateway.key_secret', '--allow_incoming', 'ada=ada.key']
    const outgoing = ['--server_key_outgoing', 'server.key', '--key_outgoing', 'gateway.key_secret']
    const proxy = cli.start(['proxy', '--rep', 'tcp://127.0.0.1:0', '--req', endpoint, ...incoming, ...outgoing], { cwd })
    const [, front = ''] = await proxy.says(/passing on from (\S+) to/)
    const as = (name: string): string[] => ['--server-key', 'gateway.key', '--key', `${name}.key_secret`]
    expect(await cli.run(['call', front, 'WhoAmI', ...as('ada')], { cwd })).toMatchObject({ code: 0, stdout: '"gateway"\n' })
    expect(await cli.run(['call', front, 'WhoAmI', ...as('server')], { cwd })).toMatchObject({ code: 4 })
    expect(await proxy.interrupt()).toMatchObject({ code: 0, stderr: '' })
  })

  it('says which side is missing, or is there twice', async () => {
    const cases: [string[], RegExp][] = [
      [[], /--rep or --sub is missing/],
      [['--rep', ':1'], /--req or --pub is missing/],
      [['--rep', ':1', '--sub', 'a:1', '--req', 'b:1'], /--rep or --sub, not both/],
      [['--rep', ':1', '--req', 'b:1', '--allow_incoming', 'x=y'], /--allow_incoming is about keys: .* --key_incoming/],
      [['--rep', ':1', '--req', 'b:1', '--key_outgoing', 'none'], /--key_outgoing: ENOENT/],
      [['--rep', ':1', '--req', 'b:1', '--pub', ':2'], /--req or --pub, not both/],
      [['--rep', ':1', '--req', 'b:1', '--username_incoming', 'ada'], /go together/],
    ]
    for (const [args, text] of cases) {
      expect(await cli.run(['proxy', ...args])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(text) })
    }
  })
})
