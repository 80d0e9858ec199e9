/** Buffers of ours, alone and one behind another, between programs of pyzmqrpc3, and between those and ours. */

import { describe, expect, it } from 'vitest'
import type { BufferOptions } from '../../../src/index.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { until } from '../../helpers/sockets.ts'
import { Echo, Raise, Remember } from './commands.ts'
import { LOCAL, useEnds } from './ends.ts'
import { python } from './python-process.ts'

const ends = useEnds()

/** On a real disk. */
function folder(name: string): BufferOptions {
  return { path: temporaryFolder(), name, backoffMs: [20, 200] }
}

const numbers = Array.from({ length: 20 }, (_, index) => index)

describe.skipIf(!python.available)('a buffer of ours', () => {
  it('says 200 to a Python client as soon as it has a command, and has it carried out in order when our server is there', async () => {
    const later = await nowhere()
    const proxy = await ends.proxy({ rep: LOCAL, req: later, buffer: folder('site') })
    const client = await ends.python.client(proxy.endpoints)
    // What it hears of a pyzmqrpc3 proxy: no result.
    for (const n of numbers) expect(await client.execute(`Remember(${n})`)).toMatchObject({ value: [null] })
    const { remembered } = await ends.server({ rep: later })
    await until(() => remembered.length === numbers.length, 'all is carried out')
    expect(remembered).toEqual(numbers)
  })

  it('hands commands of ours to a Python server, in order, and has its results and errors', async () => {
    const later = await nowhere()
    const proxy = await ends.proxy({ rep: LOCAL, req: later, buffer: folder('site') })
    const client = ends.client({ req: proxy.endpoints })
    const receipts = await Promise.all(numbers.map((n) => client.submit(new Remember(n))))
    const echo = await client.submit(new Echo({ é: [1, null] }))
    const raise = await client.submit(new Raise('out of words'))
    expect(await client.track(echo)).toMatchObject({ state: 'waiting' })
    const server = await ends.python.server({ zmq_rep_bind_address: later })
    expect(await client.result(echo)).toEqual({ é: [1, null] })
    await expect(client.result(raise)).rejects.toMatchObject({ code: 'SERVICE_FAILED', command: 'Raise', message: /out of words/ })
    await Promise.all(receipts.map((receipt) => client.result(receipt)))
    expect(await server.remembered()).toEqual(numbers)
    expect(await client.track(raise)).toMatchObject({ state: 'failed', hops: [{ by: 'site', deliveredTo: later }] })
  })

  it('and a second one behind it, between Python and Python: what is between them is cut, and nothing is lost', {
    timeout: 60_000,
  }, async () => {
    const [middle, last] = [await nowhere(), await nowhere()]
    const near = await ends.proxy({ rep: LOCAL, req: middle, buffer: folder('near') })
    const client = await ends.python.client(near.endpoints)
    for (const n of numbers.slice(0, 10)) expect(await client.execute(`Remember(${n})`)).toMatchObject({ value: [null] })
    const options = { rep: middle, req: last, buffer: folder('far') }
    const far = await ends.proxy(options)
    await until(() => near.stats().buffer?.ended.delivered === 10, 'the second one has all')
    await far.stop()
    for (const n of numbers.slice(10)) expect(await client.execute(`Remember(${n})`)).toMatchObject({ value: [null] })
    await ends.proxy(options)
    const server = await ends.python.server({ zmq_rep_bind_address: last })
    await until(async () => (await server.remembered()).length === numbers.length, 'all is carried out')
    expect(await server.remembered()).toEqual(numbers)
  })

  it('has execute of ours wait for what a Python server answers, however late it comes', async () => {
    const later = await nowhere()
    const proxy = await ends.proxy({ rep: LOCAL, req: later, buffer: folder('site') })
    const client = ends.client({ req: proxy.endpoints })
    const result = client.execute(new Echo('late'))
    expect(await client.execute(new Echo('too late'), { timeoutMs: 300 }).catch((error: unknown) => error)).toMatchObject({
      code: 'NOT_YET_EXECUTED',
      receipt: { by: 'site' },
    })
    await ends.python.server({ zmq_rep_bind_address: later })
    expect(await result).toBe('late')
  })
})
