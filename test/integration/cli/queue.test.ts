/** `queue` and `proxy --buffer`: what waits on disk, what was given up, and what becomes of it. */

import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type CliProcess, jsonLines, SERVICES, useCli } from '../../helpers/cli.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { until } from '../../helpers/sockets.ts'

const cli = useCli()

async function proxy(server: string, buffer: string): Promise<{ front: string; process: CliProcess }> {
  const process = cli.start(['proxy', '--rep', 'tcp://127.0.0.1:0', '--req', server, '--buffer', buffer])
  const [, front = ''] = await process.says(/passing on from (\S+) to/)
  return { front, process }
}

/** What `queue ls` shows. */
async function kept(buffer: string, ...args: string[]): Promise<{ seq: number; command: string }[]> {
  return jsonLines((await cli.run(['queue', 'ls', buffer, '--json', ...args])).stdout) as { seq: number; command: string }[]
}

describe('a proxy with a buffer', () => {
  it('keeps calls while the server is away, and when it is killed itself; queue shows them, and they are carried out', async () => {
    const server = await nowhere()
    const buffer = join(cli.folder(), 'buffer')
    const first = await proxy(server, buffer)
    const call = await cli.run(['call', first.front, 'Echo', '{"value": [12345678901234567890, "\\u001b[31m"]}', '--timeout', '1s'])
    expect(call).toMatchObject({ code: 5, stdout: '', stderr: expect.stringMatching(/is on disk[\s\S]*nothing has to be sent again/) })
    const receipt = /zmq-rpc result '(.*)'/.exec(call.stderr)?.[1] as string
    const asked = await cli.run(['result', receipt, '--track', '--json'])
    expect(asked).toMatchObject({ code: 0, stdout: expect.stringContaining('"state":"waiting"') })
    expect(await cli.run(['queue', 'ls', buffer])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^ +1 {2}Echo \{"value":\[12345678901234567890,"\\u001b\[31m"\]\} {2}\(\d+ seconds? old\)\n$/),
      stderr: expect.stringContaining('1 waiting, 0 given up'),
    })
    await first.process.kill()
    const { stdout } = await cli.run(['queue', 'peek', buffer, '1'])
    expect(JSON.parse(stdout)).toMatchObject({ seq: 1, kind: 'command', command: 'Echo', dialect: 'native', ageMs: expect.any(Number) })
    await proxy(server, buffer)
    cli.start(['serve', SERVICES, '--rep', server])
    await until(async () => (await kept(buffer)).length === 0, 'it is carried out')
    expect(await kept(buffer, '--dead')).toEqual([])
  })

  it('gives up what the server refuses; queue retries or drops that once the proxy is stopped', async () => {
    const { endpoint } = await cli.serve()
    const buffer = join(cli.folder(), 'buffer')
    const { front, process } = await proxy(endpoint, buffer)
    for (const name of ['NopeA', 'NopeB']) await cli.run(['call', front, name])
    await until(async () => (await kept(buffer, '--dead')).length === 2, 'both are given up')
    expect(await cli.run(['queue', 'ls', buffer, '--dead'])).toMatchObject({ stdout: expect.stringContaining('No service on the server') })
    const locked = await cli.run(['queue', 'retry', buffer, '--all'])
    expect(locked).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/in use by process \d+[\s\S]*stop it first/) })
    await process.interrupt()
    expect(await cli.run(['queue', 'retry', buffer, '1', '--json'])).toMatchObject({ code: 0, stdout: '{"requeued":[1],"missing":[]}\n' })
    expect(await kept(buffer)).toMatchObject([{ command: 'NopeA' }])
    expect(await kept(buffer, '--dead')).toMatchObject([{ seq: 2, command: 'NopeB' }])
    expect(await cli.run(['queue', 'drop', buffer, '--all'])).toMatchObject({ code: 0, stdout: '1 forgotten\n' })
    expect(await cli.run(['queue', 'drop', buffer, '2'])).toMatchObject({ code: 1, stderr: expect.stringContaining('not among those') })
    expect(await kept(buffer, '--dead')).toEqual([])
    const [waiting] = await kept(buffer)
    expect(await cli.run(['queue', 'drop', buffer, String(waiting?.seq)])).toMatchObject({
      code: 1,
      stdout: '0 forgotten\n',
      stderr: expect.stringMatching(/not given up, but waiting: \d+\n.*cannot be taken back/),
    })
    expect(await cli.run(['queue', 'drop', buffer, '--all'])).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/nothing was given up; 1 waits: what waits cannot be taken back/),
    })
    expect(await kept(buffer)).toHaveLength(1)
  })
})

describe('a call that was not carried out in time', () => {
  it('gives its receipt as JSON, which result reads', async () => {
    const { front } = await proxy(await nowhere(), join(cli.folder(), 'buffer'))
    const { code, stderr } = await cli.run(['call', front, 'Echo', '--timeout', '500ms', '--json'])
    const [{ error }] = jsonLines(stderr) as [{ error: { receipt: object } }]
    expect({ code, error }).toMatchObject({ code: 5, error: { receipt: { id: expect.any(String), command: 'Echo', endpoint: front } } })
    expect(await cli.run(['result', '--track'], { input: JSON.stringify(error.receipt) })).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^waiting/),
    })
  })
})

describe('submit and result', () => {
  it('keep a command through an outage, and tell what came of it by the receipt', async () => {
    const server = await nowhere()
    const { front } = await proxy(server, join(cli.folder(), 'buffer'))
    const { code, stdout: receipt } = await cli.run(['submit', front, 'Greet', '{"name": "Ada"}'])
    expect(code).toBe(0)
    expect(jsonLines(receipt)).toMatchObject([{ id: expect.any(String), command: 'Greet', endpoint: front }])
    expect(await cli.run(['result', '-t', '1s'], { input: receipt })).toMatchObject({ code: 5, stdout: '' })
    expect(await cli.run(['result', '--track'], { input: receipt })).toMatchObject({ code: 0, stdout: expect.stringMatching(/^waiting/) })
    cli.start(['serve', SERVICES, '--rep', server])
    expect(await cli.run(['result', receipt])).toMatchObject({ code: 0, stdout: '"Hello Ada"\n' })
    expect(JSON.parse((await cli.run(['result', receipt, '--track', '--json'])).stdout)).toMatchObject({ state: 'executed' })
    const failed = await cli.run(['submit', front, 'Fail', '--stdin'], { input: '{"text": "no ink"}' })
    expect(await cli.run(['result'], { input: failed.stdout })).toMatchObject({ code: 6, stderr: expect.stringContaining('no ink') })
  })

  it('say that there is no buffer, and what is no receipt', async () => {
    const { endpoint } = await cli.serve()
    expect(await cli.run(['submit', endpoint, 'Greet'])).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('zmq-rpc proxy --buffer'),
    })
    expect(await cli.run(['result', 'receipt.json'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        '"receipt.json" is no receipt: it takes that itself, or reads it from stdin: zmq-rpc result < receipt.json',
      ),
    })
    expect(await cli.run(['result', '{}'])).toMatchObject({ code: 2, stderr: expect.stringContaining('no receipt') })
  })
})

describe('queue', () => {
  it('says what is wrong with its arguments', async () => {
    const folder = cli.folder()
    expect(await cli.run(['queue', 'ls', folder])).toMatchObject({ code: 2, stderr: expect.stringContaining('there is no buffer in') })
    expect(await cli.run(['queue', 'look', folder])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('none of ls, peek, retry, drop'),
    })
    expect(await cli.run(['queue', 'ls'])).toMatchObject({ code: 2, stderr: expect.stringContaining('DIR is missing') })
    expect(await cli.run(['proxy', '--rep', ':1', '--pub', ':2', '--buffer', folder])).toMatchObject({ code: 2 })
  })
})
