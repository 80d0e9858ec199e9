/** Two hosts with a network between them, as far as the kernel can tell: two network namespaces, joined by a cable (veth). */

import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { peer } from '../../helpers/peers.ts'
import { until } from '../../helpers/sockets.ts'
import { OurProcess } from './our-process.ts'
import { callInVain, IN_VAIN, PythonProcess, python } from './python-process.ts'

const ADA = { username: 'ada', password: 'secret' }
const WRONG = { username: 'ada', password: 'wrong' }
const PREFIX = `zr${process.pid}`
const NEAR = { namespace: `${PREFIX}-near`, address: '10.213.7.1' }
const FAR = { namespace: `${PREFIX}-far`, address: '10.213.7.2' }

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

const inside = ({ namespace }: { namespace: string }): string[] => ['ip', 'netns', 'exec', namespace]

describe.skipIf(!python.available || !peer('netns').available)('between hosts, with a password', () => {
  const processes: { close(): Promise<void> }[] = []
  let ours: OurProcess
  let theirs: PythonProcess
  let farOurs: OurProcess
  let farTheirs: PythonProcess

  beforeAll(() => {
    for (const { namespace } of [NEAR, FAR]) ip('netns', 'add', namespace)
    ip('link', 'add', 'cable', 'netns', NEAR.namespace, 'type', 'veth', 'peer', 'name', 'cable', 'netns', FAR.namespace)
    for (const { namespace, address } of [NEAR, FAR]) {
      ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'cable')
      ip('-n', namespace, 'link', 'set', 'cable', 'up')
      ip('-n', namespace, 'link', 'set', 'lo', 'up')
    }
    ours = new OurProcess(inside(NEAR))
    theirs = new PythonProcess(inside(NEAR))
    farOurs = new OurProcess(inside(FAR))
    farTheirs = new PythonProcess(inside(FAR))
    processes.push(ours, theirs, farOurs, farTheirs)
  })

  afterAll(async () => {
    await Promise.all(processes.map((process) => process.close()))
    // Each for itself: one may be missing.
    for (const { namespace } of [NEAR, FAR]) {
      try {
        ip('netns', 'delete', namespace)
      } catch {}
    }
  })

  /** As seen from the other host. */
  const seenFrom = (endpoint: string, { address }: { address: string }): string => `tcp://${address}:${new URL(endpoint).port}`

  it('our server is called by a Python client and by ours; wrong passwords hear nothing, or AUTH_REFUSED', async () => {
    const [bound] = (await ours.serve({ rep: 'tcp://*:0', auth: { users: { ada: ADA.password } } })) as [string]
    const endpoint = seenFrom(bound, NEAR)
    expect(await (await farTheirs.client(endpoint, ADA)).execute('Echo({"é": [1, None]})')).toMatchObject({ value: [{ é: [1, null] }] })
    expect(await callInVain(await farTheirs.client(endpoint, WRONG))).toMatch(IN_VAIN)
    await farOurs.client({ req: endpoint, credentials: ADA })
    expect(await farOurs.echo({ é: [1, null] })).toMatchObject({ value: { é: [1, null] } })
    await farOurs.client({ req: endpoint, credentials: WRONG })
    expect(await farOurs.echo(1)).toMatchObject({ code: 'AUTH_REFUSED' })
  })

  it('a Python server is called by our client; a wrong password is AUTH_REFUSED', async () => {
    const server = await theirs.server({ zmq_rep_bind_address: `tcp://${NEAR.address}:?`, ...ADA })
    await farOurs.client({ req: server.endpoint, credentials: ADA })
    expect(await farOurs.echo('x'.repeat(1 << 20))).toMatchObject({ value: 'x'.repeat(1 << 20) })
    await farOurs.client({ req: server.endpoint, credentials: WRONG })
    expect(await farOurs.echo(1)).toMatchObject({ code: 'AUTH_REFUSED' })
  })

  it('our server hears a Python publisher with the right password alone', async () => {
    const [right, wrong] = await Promise.all(
      [ADA, WRONG].map((credentials) => farTheirs.make('ZmqRpcClient', { zmq_pub_endpoint: `tcp://${FAR.address}:?`, ...credentials })),
    )
    const [bound] = (await ours.serve({
      rep: 'tcp://*:0',
      sub: [right?.endpoint ?? '', wrong?.endpoint ?? ''],
      auth: { users: { ada: ADA.password } },
    })) as [string]
    const caller = await farTheirs.client(seenFrom(bound, NEAR), ADA)
    const remembered = async (): Promise<unknown> => (await caller.execute('Recall()')).value
    await until(async () => {
      await wrong?.execute('Remember("from nobody")')
      await right?.execute('Remember("from ada")')
      return JSON.stringify(await remembered()).includes('from ada')
    }, 'the publisher is heard')
    expect(JSON.stringify(await remembered())).not.toContain('nobody')
  })

  it('a cable that is pulled and put back: calls wait, and go on', async () => {
    const [bound] = (await ours.serve({ rep: 'tcp://*:0' })) as [string]
    await farOurs.client({ req: seenFrom(bound, NEAR), timeoutMs: 15_000 })
    expect(await farOurs.echo('before')).toMatchObject({ value: 'before' })
    ip('-n', NEAR.namespace, 'link', 'set', 'cable', 'down')
    const waiting = farOurs.echo('during')
    ip('-n', NEAR.namespace, 'link', 'set', 'cable', 'up')
    expect(await waiting).toMatchObject({ value: 'during' })
  })

  it('our proxy on one host, Python and we on the other: passwords on both sides, and a cable that is pulled and put back', async () => {
    const inner = { username: 'inner', password: 'two' }
    const server = await farTheirs.server({ zmq_rep_bind_address: `tcp://${FAR.address}:?`, ...inner })
    const [bound] = (await ours.proxy({
      ...{ rep: 'tcp://*:0', auth: { users: { ada: ADA.password } } },
      ...{ req: server.endpoint, credentials: inner },
    })) as [string]
    const endpoint = seenFrom(bound, NEAR)
    const python = await farTheirs.client(endpoint, ADA)
    expect(await python.execute('Echo("before")')).toMatchObject({ value: ['before'] })
    await farOurs.client({ req: endpoint, credentials: ADA, timeoutMs: 15_000 })
    expect(await farOurs.echo('before')).toMatchObject({ value: 'before' })
    ip('-n', NEAR.namespace, 'link', 'set', 'cable', 'down')
    const waiting = [python.execute('Echo("during")', 15), farOurs.echo('during')]
    ip('-n', NEAR.namespace, 'link', 'set', 'cable', 'up')
    expect(await Promise.all(waiting)).toMatchObject([{ value: ['during'] }, { value: 'during' }])
  })
})
