/** The command line and programs of pyzmqrpc3: what works, and what these cannot answer. */

import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { curvePublicKey } from '../../../src/index.ts'
import { jsonLines, useCli } from '../../helpers/cli.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { until } from '../../helpers/sockets.ts'
import { useEnds } from './ends.ts'
import { FREE, type PythonObject, python } from './python-process.ts'

const ends = useEnds()
const cli = useCli()

const ADA = { username: 'ada', password: 'secret' }
const env = { ZMQ_RPC_USERNAME: 'ada', ZMQ_RPC_PASSWORD: 'secret' }

describe.skipIf(!python.available)('a Python server', () => {
  it('is called, with integers beyond 2^53 and commands within the state, and its errors are told', async () => {
    const { endpoint } = await ends.python.server()
    const state = '{"value": [9007199254740993, "é", {"_icmd_": ["Echo", {"value": 1}]}, null]}'
    expect(await cli.run(['call', endpoint, 'Describe', state])).toMatchObject({
      code: 0,
      stdout: '[9007199254740993,"é",{"command":"Echo","value":1},null]\n',
    })
    expect(await cli.run(['call', endpoint, 'Nothing', '{"value": 1}'])).toMatchObject({ code: 0, stdout: 'null\n' })
    expect(await cli.run(['call', endpoint, 'Raise', '{"value": "no paper"}'])).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('no paper'),
    })
    const unknown = await cli.run(['call', endpoint, 'Stranger', '{"value": 1}'])
    expect(unknown).toMatchObject({ code: 6, stdout: '', stderr: expect.stringContaining('of a command that it does not know') })
  })

  it('cannot tell what it serves, and ls says so', async () => {
    const { endpoint } = await ends.python.server()
    const { code, stdout, stderr } = await cli.run(['ls', endpoint])
    expect({ code, stdout }).toEqual({ code: 6, stdout: '' })
    expect(stderr).toContain('speaks the dialect of pyzmqrpc3 only, in which a server cannot tell what it serves')
  })

  it('is pinged, and serves on', async () => {
    const server = await ends.python.server()
    const { code, stdout } = await cli.run(['ping', server.endpoint, '-c', '3', '-i', '10ms', '--json'])
    expect(code).toBe(0)
    expect(jsonLines(stdout).at(0)).toMatchObject({ sequence: 1, dialect: 'pyzmqrpc3', ms: expect.any(Number) })
    expect(jsonLines(stdout).at(-1)).toMatchObject({ summary: { sent: 3, answered: 3 } })
    const client = await ends.python.client(server.endpoint)
    expect(await client.execute('Echo("still there")')).toMatchObject({ value: ['still there'] })
  })

  it('is well, as far as doctor can tell', async () => {
    const { endpoint } = await ends.python.server()
    const { code, stdout } = await cli.run(['doctor', endpoint, 'Echo'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/✓ answer +it answers in the dialect of pyzmqrpc3/)
    expect(stdout).toMatch(/\? service +whether Echo is served cannot be told: a pyzmqrpc3 server cannot tell/)
    expect(stdout).toContain('zmq-rpc call')
  })

  it('that asks for a password is called with the right one, and doctor tells a wrong one and none', async () => {
    const { endpoint } = await ends.python.server({ zmq_rep_bind_address: FREE, ...ADA })
    expect(await cli.run(['call', endpoint, 'Echo', '{"value": 1}'], { env })).toMatchObject({ code: 0, stdout: '1\n' })
    expect(await cli.run(['doctor', endpoint], { env })).toMatchObject({ code: 0 })
    const wrong = await cli.run(['doctor', endpoint], { env: { ...env, ZMQ_RPC_PASSWORD: 'not-this-one' } })
    expect(wrong).toMatchObject({ code: 4, stdout: expect.stringMatching(/✗ admission .*does not let us in as user "ada"/) })
    expect(wrong.stdout + wrong.stderr).not.toContain('not-this-one')
    const none = await cli.run(['doctor', endpoint])
    expect(none).toMatchObject({ code: 4, stdout: expect.stringContaining('asks for a name and a password') })
    expect(await cli.run(['call', endpoint, 'Echo', '{"value": 1}'])).toMatchObject({ code: 4 })
  })

  it('that is gone is told from one that is there', async () => {
    const server = await ends.python.server()
    await server.stop()
    const { code, stdout } = await cli.run(['doctor', server.endpoint])
    expect(code).toBe(3)
    expect(stdout).toContain('nobody listens on port')
  })

  it('is reached through our proxy from the command line', async () => {
    const server = await ends.python.server()
    const proxy = cli.start(['proxy', '--rep', 'tcp://127.0.0.1:0', '--req', server.endpoint])
    const [, front = ''] = await proxy.says(/passing on from (\S+) to/)
    expect(await cli.run(['call', front, 'Echo', '{"value": [1]}'])).toMatchObject({ code: 0, stdout: '[1]\n' })
    const client = await ends.python.client(front)
    expect(await client.execute('Echo(2)')).toMatchObject({ value: [2] })
  })
})

describe.skipIf(!python.available)('a Python client', () => {
  it('is served by zmq-rpc serve', async () => {
    const { endpoint } = await cli.serve()
    const client = await ends.python.client(endpoint)
    expect(await client.execute('Echo([1, None])')).toMatchObject({ value: [[1, null]] })
  })
})

describe.skipIf(!python.available)('keys of keygen', () => {
  it('are certificates that pyzmq reads', async () => {
    const cwd = cli.folder()
    await cli.run(['keygen', 'roof'], { cwd })
    const load = (file: string) =>
      ends.python.evaluate(`repr(__import__('zmq.auth').auth.load_certificate(${JSON.stringify(join(cwd, file))}))`)
    const { value } = await load('roof.key_secret')
    const [, publicKey, secretKey] = /^\(b'(\S{40})', b'(\S{40})'\)$/.exec(String(value)) ?? []
    expect(curvePublicKey(secretKey ?? '')).toBe(publicKey)
    expect((await load('roof.key')).value).toBe(`(b'${publicKey}', None)`)
  })
})

describe.skipIf(!python.available)('a Python publisher', () => {
  it('is heard by snoop, heartbeats as well, and again after it was restarted', async () => {
    const endpoint = await nowhere()
    const snoop = cli.start(['snoop', endpoint, '--heartbeats', '--json'])
    await snoop.says(/listening to/)
    for (const value of [1, 2]) {
      const publisher = await ends.python.make('ZmqRpcClient', { zmq_pub_endpoint: endpoint })
      await heard(publisher, value, () => snoop.stdout)
      await publisher.call('destroy')
    }
    const { code, stdout, stderr } = await snoop.interrupt()
    expect(code).toBe(0)
    expect(jsonLines(stdout)).toContainEqual(expect.objectContaining({ kind: 'heartbeat', endpoint }))
    expect(jsonLines(stdout)).toContainEqual(
      expect.objectContaining({ kind: 'command', command: 'Echo', state: { value: 2 }, dialect: 'pyzmqrpc3', endpoint }),
    )
    expect(stderr).toContain(`lost ${endpoint}`)
  })

  /** Python cannot tell when somebody listens: it says it until it is heard. */
  async function heard(publisher: PythonObject, value: number, output: () => string): Promise<void> {
    await until(async () => {
      await publisher.call('send_heartbeat')
      await publisher.execute(`Echo(${value})`)
      return output().includes(`{"value":${value}}`) && output().includes('heartbeat')
    }, `Echo(${value}) is heard`)
  }
})

describe.skipIf(!python.available)('a Python subscriber and receiver', () => {
  it('hears what zmq-rpc publish publishes', async () => {
    const endpoint = await nowhere()
    const server = await ends.python.server({ zmq_sub_connect_addresses: [endpoint] })
    const published = await cli.run(['publish', endpoint, 'Remember', '{"value": "from the command line"}'])
    expect(published).toMatchObject({ code: 0, stdout: 'published 1 × Remember to 1 listener\n' })
    await until(async () => (await server.remembered()).length === 1, 'it is remembered')
    expect(await server.remembered()).toEqual(['from the command line'])
  })

  it('gets what zmq-rpc send sends', async () => {
    const receiver = await ends.python.make('ZmqReceiverThread', { zmq_rep_bind_address: FREE })
    expect(await cli.run(['send', receiver.endpoint, 'lights off'])).toMatchObject({ code: 0, stderr: 'taken\n' })
    await until(async () => (await receiver.lastMessage()) === 'lights off', 'it is there')
  })
})
