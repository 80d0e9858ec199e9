/** Calls to a far end that is not there, lets nobody in, or goes: NOT_CONNECTED, AUTH_REFUSED, QUEUE_FULL, CONNECTION_LOST. */

import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { nowhere } from '../../helpers/free-ports.ts'
import { RawServer } from '../../helpers/raw-peer.ts'
import { Count, DIALECTS, deferred, Echo, endpointOf, failureOf, Greet, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()
const NULL_ENDPOINT = { rep: 'tcp://127.0.0.1:0' }
const never = new Promise<never>(() => {})

describe('NOT_CONNECTED', () => {
  it('says what is being tried and why it fails', async () => {
    const endpoint = await nowhere()
    const client = rpc.client({ req: endpoint })
    const error = await failureOf(client.execute(new Greet('Ada'), { timeoutMs: 500 }))
    expect(error).toMatchObject({ code: 'NOT_CONNECTED', endpoint, command: 'Greet' })
    const address = endpoint.slice('tcp://'.length)
    expect(error.message).toBe(
      `[NOT_CONNECTED] command "Greet" was not sent: no connection to ${endpoint} within 500 ms (last reason: connect ECONNREFUSED ${address})`,
    )
    const waiting = await failureOf(client.ready({ timeoutMs: 50 }))
    expect(waiting).toMatchObject({ code: 'NOT_CONNECTED', endpoint })
    expect(waiting.message).toContain(`no connection to ${endpoint} within 50 ms (last reason: connect ECONNREFUSED`)
  })

  it('says so for ipc, too, and for inproc, where there is nothing to say', async () => {
    const ipc = rpc.client({ req: 'ipc:///tmp/zmq-rpc-nobody-here.sock' })
    const error = await failureOf(ipc.execute(new Greet(), { timeoutMs: 500 }))
    expect(error).toMatchObject({ code: 'NOT_CONNECTED' })
    expect(error.message).toContain('ENOENT')
    const inproc = rpc.client({ req: 'inproc://nobody-here' })
    expect(await failureOf(inproc.execute(new Greet(), { timeoutMs: 50 }))).toMatchObject({
      code: 'NOT_CONNECTED',
      message: '[NOT_CONNECTED] command "Greet" was not sent: no connection to inproc://nobody-here within 50 ms',
    })
  })

  it('names both reasons where a name has two addresses', async () => {
    const endpoint = (await nowhere()).replace('127.0.0.1', 'localhost')
    const error = await failureOf(rpc.client({ req: endpoint }).execute(new Greet(), { timeoutMs: 500 }))
    expect(error.message).toMatch(/last reason: .*ECONNREFUSED/)
  })

  it('tells of a far end that speaks something else', async () => {
    const raw = await RawServer.listen()
    rpc.defer(() => raw.close())
    const client = rpc.client({ req: raw.endpoint })
    const failing = failureOf(client.execute(new Greet(), { timeoutMs: 1500 }))
    const connection = await raw.accept()
    connection.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'.repeat(4)))
    const error = await failing
    expect(error).toMatchObject({ code: 'NOT_CONNECTED', endpoint: raw.endpoint })
    expect(error.message).toMatch(/last reason: .+/)
  })

  it('of a sender says the same of its message', async () => {
    const endpoint = await nowhere()
    const error = await failureOf(rpc.sender({ req: endpoint }).send('text', { timeoutMs: 40 }))
    expect(error).toMatchObject({ code: 'NOT_CONNECTED', endpoint, command: undefined })
    expect(error.message).toContain('the message was not sent')
  })
})

describe('AUTH_REFUSED', () => {
  const auth = { users: { pi: 'secret' } }
  const cases = [
    ['a wrong password', auth, { username: 'pi', password: 'hunter2' }, 'does not let us in as user "pi"'],
    ['an unknown user', auth, { username: 'eve', password: 'hunter2' }, 'does not let us in as user "eve"'],
    ['no password', auth, undefined, 'does not let us in without credentials'],
    ['a password where none is asked', undefined, { username: 'pi', password: 'hunter2' }, 'does not let us in as user "pi"'],
  ] as const

  it.each(cases)('comes at once, not as a time-out: %s', async (_name, auth, credentials, text) => {
    const server = await rpc.started({ ...NULL_ENDPOINT, auth })
    const client = rpc.client({ req: endpointOf(server), credentials, timeoutMs: 1e9 })
    const [first, ready] = await Promise.all([failureOf(client.execute(new Greet())), failureOf(client.ready())])
    const second = await failureOf(client.execute(new Greet()))
    for (const error of [first, second]) {
      expect(error).toMatchObject({ code: 'AUTH_REFUSED', endpoint: endpointOf(server), command: 'Greet' })
      expect(error.message).toContain(`${endpointOf(server)} ${text}`)
      expect(error.message).toContain('command "Greet" was not executed')
    }
    expect(ready).toMatchObject({ code: 'AUTH_REFUSED', endpoint: endpointOf(server) })
    for (const error of [first, second, ready]) expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('hunter2')
  })

  it('ends when the far end lets us in: the next try, with no help', { timeout: 30_000 }, async () => {
    let open = false
    const server = await rpc.started({ ...NULL_ENDPOINT, auth: { authenticate: ({ username }) => (open ? { username } : undefined) } })
    const connected = rpc.hear('zmq-rpc:connected')
    const client = rpc.client({ req: endpointOf(server), credentials: { username: 'pi', password: 'secret' } })
    expect(await failureOf(client.execute(new Greet()))).toMatchObject({ code: 'AUTH_REFUSED' })
    open = true
    await connected.atLeast(2)
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
  })
})

describe.each(DIALECTS)('QUEUE_FULL, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('comes at once, and what waits already is sent in order when the far end is there', async () => {
    const endpoint = await nowhere()
    const client = rpc.client({ req: endpoint, maxQueued: 3, timeoutMs: 1e9 })
    const waiting = [0, 1, 2].map((n) => client.execute(new Count(n)))
    const error = await failureOf(client.execute(new Count(3)))
    expect(error).toMatchObject({ code: 'QUEUE_FULL', endpoint, command: 'Count' })
    expect(error.message).toContain(`command "Count" was not sent: 3 calls wait for ${endpoint} already; it is not connected`)
    const order: number[] = []
    await rpc.started({ rep: endpoint }, (server) =>
      server.register(Count, ({ n }) => {
        order.push(n)
        return n
      }),
    )
    expect(await Promise.all(waiting)).toEqual([0, 1, 2])
    expect(order).toEqual([0, 1, 2])
    expect(await client.execute(new Count(4))).toBe(4)
  })

  it('comes when a far end that is there does not read, and never loses what was taken', async () => {
    const raw = await RawServer.listen()
    rpc.defer(() => raw.close())
    const client = rpc.client({ req: raw.endpoint, maxQueued: 20, timeoutMs: 60_000 })
    const connection = await raw.accept()
    await connection.handshake('ROUTER')
    connection.socket.pause()
    await client.ready()
    const outcomes: Promise<unknown>[] = []
    let error: (Error & { code?: string }) | undefined
    for (let n = 0; n < 2000 && error === undefined; n++) {
      // Random, so that zlib does not make it small.
      const outcome = client.execute(new Echo(randomBytes(200_000).toString('base64'))).catch((reason: Error) => (error = reason))
      outcomes.push(outcome)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(error).toMatchObject({ code: 'QUEUE_FULL' })
    expect(error?.message).toContain('the far end does not keep up')
    await client.close()
    for (const outcome of await Promise.all(outcomes)) expect(['CLOSED', 'QUEUE_FULL']).toContain((outcome as { code?: string }).code)
  })
})

describe.each(DIALECTS)('CONNECTION_LOST, in the %s dialect', (dialect) => {
  rpc.speak(dialect)

  it('is what calls end with that were sent, at once; those that come later wait for the next connection', async () => {
    const begun = deferred()
    const server = await rpc.started(NULL_ENDPOINT, (server) =>
      server.register(Count, () => {
        begun.resolve()
        return never
      }),
    )
    const endpoint = endpointOf(server)
    const client = rpc.client({ req: endpoint })
    const call = failureOf(client.execute(new Count()))
    await begun.promise
    await server.stop({ drainMs: 0 })
    const error = await call
    expect(error).toMatchObject({ code: 'CONNECTION_LOST', endpoint, command: 'Count' })
    expect(error.message).toContain(`the connection to ${endpoint} was lost while command "Count" was under way`)
    const next = client.execute(new Greet('Ada'))
    await rpc.started({ rep: endpoint })
    expect(await next).toBe('Hello Ada')
  })
})
