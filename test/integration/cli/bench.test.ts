/** `bench`: what it measures, how it tells it, and when it gives up. */

import { describe, expect, it } from 'vitest'
import { RpcServer } from '../../../src/index.ts'
import { useCli } from '../../helpers/cli.ts'
import { until } from '../../helpers/sockets.ts'

const cli = useCli()

describe('bench', () => {
  it('measures calls, and tells them as JSON', async () => {
    const { endpoint } = await cli.serve()
    const { code, stdout } = await cli.run(['bench', endpoint, 'Greet', '-d', '300ms', '--warmup', '0', '-c', '10', '--json'])
    expect(code).toBe(0)
    const measured = JSON.parse(stdout)
    expect(measured).toMatchObject({ endpoint, command: 'Greet', concurrency: 10, failed: {}, latencyMs: { p50: expect.any(Number) } })
    const counted = (measured.histogram as { count: number }[]).reduce((sum, { count }) => sum + count, 0)
    expect(counted).toBe(measured.answered)
  })

  it('needs no command, shows a chart, and sums up at Ctrl-C', async () => {
    await using server = new RpcServer({ rep: 'tcp://127.0.0.1:0' })
    await server.start()
    const bench = cli.start(['bench', server.endpoints[0] as string, '-d', '1h', '--warmup', '10ms'])
    // More than are answered while it warms up.
    await until(() => server.stats().ended > 10_000, 'it measures')
    const { code, stdout, stderr } = await bench.interrupt()
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/zmq-rpc\.health, 100 at a time[\s\S]* calls a second[\s\S]*99\.9 %[\s\S]*up to .*█/)
  })

  it('tells at once what is wrong with all calls', async () => {
    const { endpoint } = await cli.serve()
    expect(await cli.run(['bench', endpoint, 'Fail'])).toMatchObject({ code: 6, stdout: '', stderr: expect.stringContaining('no paper') })
  })
})
