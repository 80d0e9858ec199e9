/** close(): what lingers, for how long, and that the process may end. */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { Dealer, Pull, Push, Reply, Request, Router } from '../../../src/socket/index.ts'
import { RawConnection, RawServer } from '../../helpers/raw-peer.ts'
import { event, link, outcome, STREAM_TRANSPORTS, TRANSPORTS, texts, until, useSockets, vacant } from '../../helpers/sockets.ts'

const SOURCE = new URL('../../../src/socket/index.ts', import.meta.url).href

async function elapsed(call: Promise<unknown>): Promise<number> {
  const started = performance.now()
  await call
  return performance.now() - started
}

describe.each(STREAM_TRANSPORTS)('closing while a bind over $name is under way', ({ endpoint }) => {
  const use = useSockets()

  it('waits for it to come to nothing', async () => {
    const pull = use.open(Pull)
    let end: unknown
    void outcome(pull.bind(endpoint())).then((outcome) => {
      end = outcome
    })
    await pull.close()
    expect(end).toBe('EBADF')
    expect(pull.lastEndpoint).toBeNull()
  })
})

describe('a listener that closes the socket', () => {
  const use = useSockets()

  it.each(['bind', 'accept', 'handshake', 'disconnect', 'connect', 'connect:delay', 'connect:retry', 'close'] as const)(
    'on %s, again and again, is no trouble',
    async (type) => {
      const [router, dealer] = [use.open(Router), use.open(Dealer, { reconnectInterval: 1, linger: 50 })]
      const ends: Promise<void>[] = []
      for (const socket of [router, dealer]) socket.events.on(type, () => ends.push(router.close(), dealer.close(), router.close()))
      const address = await link(router, dealer).catch(() => '')
      if (address !== '' && !router.closed) {
        await outcome(dealer.send('hello'))
        await outcome(router.receive())
        await outcome(router.unbind(address))
        await until(() => router.closed, 'it is closed')
      }
      await Promise.all(ends)
      expect(use.context.openSockets).toBe(0)
    },
  )
})

describe.each(TRANSPORTS)('closing over $name', ({ endpoint }) => {
  const use = useSockets()

  it('a socket that did nothing closes at once, also twice', async () => {
    const push = use.open(Push)
    await Promise.all([push.close(), push.close()])
    await push.close()
    expect(push.closed).toBe(true)
  })

  it('everything that was sent arrives, however early close comes', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    await link(pull, push, endpoint())
    for (let number = 0; number < 1000; number++) await push.send([String(number), Buffer.alloc(1000)])
    const closing = push.close()
    for (let number = 0; number < 1000; number++) expect(String((await pull.receive())[0])).toBe(String(number))
    await closing
  })

  it('what waits for room still goes out, to a peer that is slow', async () => {
    const [push, pull] = [use.open(Push, { sendHighWaterMark: 50 }), use.open(Pull, { receiveHighWaterMark: 2 })]
    await link(pull, push, endpoint())
    // As many as go without waiting: the receiver has its mark, the rest waits at the sender.
    push.sendTimeout = 0
    let sent = 0
    while (sent < 40 && (await outcome(push.send([String(sent), Buffer.alloc(300_000)]))) === 'fulfilled') sent++
    expect(sent).toBeGreaterThan(2)
    const closing = push.close()
    for (let number = 0; number < sent; number++) expect(String((await pull.receive())[0])).toBe(String(number))
    await closing
  })

  it('the last reply arrives', async () => {
    const [request, reply] = [use.open(Request), use.open(Reply)]
    await link(reply, request, endpoint())
    await request.send('question')
    await reply.receive()
    await reply.send('answer')
    const closing = reply.close()
    expect(texts(await request.receive())).toEqual(['answer'])
    await closing
  })

  it('with an absent peer takes as long as linger says', () =>
    use.virtually(async () => {
      const address = await vacant(use, endpoint())
      const closeAfter = async (linger: number): Promise<number> => {
        const push = use.open(Push, { linger })
        push.connect(address)
        await push.send('x')
        return elapsed(push.close())
      }
      expect(await closeAfter(0)).toBe(0)
      expect(await closeAfter(100)).toBeCloseTo(100, 6)
    }))

  it('with linger -1 it waits for the peer to come', () =>
    use.virtually(async () => {
      const address = await vacant(use, endpoint())
      const push = use.open(Push, { linger: -1, reconnectInterval: 5 })
      push.connect(address)
      for (let number = 0; number < 3; number++) await push.send(String(number))
      let closed = false
      const closing = push.close().then(() => {
        closed = true
      })
      await new Promise((resolve) => setTimeout(resolve, 60_000))
      expect(closed).toBe(false)
      const pull = use.open(Pull)
      await pull.bind(address)
      for (let number = 0; number < 3; number++) expect(texts(await pull.receive())).toEqual([String(number)])
      await closing
    }))

  it('with nothing to send it does not wait, whatever linger says', () =>
    use.virtually(async () => {
      const push = use.open(Push, { linger: -1 })
      push.connect(endpoint().replace(/:0$/, ':1').replace('*', '/nowhere'))
      expect(await elapsed(push.close())).toBe(0)
    }))

  it('close cuts short what disconnect left lingering', () =>
    use.virtually(async () => {
      const address = await vacant(use, endpoint())
      const push = use.open(Push, { linger: -1, reconnectInterval: 5 })
      push.connect(address)
      await push.send('x')
      push.disconnect(address)
      push.linger = 0
      expect(await elapsed(push.close())).toBe(0)
      // Nothing of it is left that would deliver.
      const pull = use.open(Pull, { receiveTimeout: 60_000 })
      await pull.bind(address)
      await expect(pull.receive()).rejects.toMatchObject({ code: 'EAGAIN' })
    }))

  it('the context knows which sockets are open', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    expect(use.context.openSockets).toBe(2)
    await push.close()
    expect(use.context.openSockets).toBe(1)
    await pull.close()
    expect(use.context.openSockets).toBe(0)
  })
})

describe('closing', () => {
  const use = useSockets()

  it('a peer that does not read holds a socket up no longer than linger', async () => {
    const push = use.open(Push, { linger: 100 })
    await push.bind('tcp://127.0.0.1:0')
    const raw = await RawConnection.connect(push.lastEndpoint as string)
    use.defer(() => raw.close())
    await raw.handshake('PULL')
    raw.socket.pause()
    for (let count = 0; count < 50; count++) await push.send(Buffer.alloc(1024 * 1024))
    const took = await elapsed(push.close())
    expect(took).toBeGreaterThanOrEqual(95)
    expect(took).toBeLessThan(5000)
  })

  it('ends connections whose handshake is not over', async () => {
    const [bound, connecting] = [use.open(Pull), use.open(Push)]
    await bound.bind('tcp://127.0.0.1:0')
    const raw = await RawConnection.connect(bound.lastEndpoint as string)
    use.defer(() => raw.close())
    await raw.read(64)
    const server = await RawServer.listen()
    use.defer(() => server.close())
    connecting.connect(server.endpoint)
    const accepted = await server.accept()
    await accepted.read(64)
    await Promise.all([bound.close(), connecting.close()])
    await Promise.all([raw.closed, accepted.closed])
  })

  it('while binding and connecting is under way leaves nothing behind', async () => {
    const dealer = use.open(Dealer)
    const binding = dealer.bind('tcp://127.0.0.1:0')
    dealer.connect('tcp://127.0.0.1:1')
    await dealer.close()
    await expect(binding).rejects.toMatchObject({ code: 'EBADF' })
  })

  it('from within an event is fine', async () => {
    for (const type of ['connect', 'handshake', 'disconnect'] as const) {
      const [server, client] = [use.open(Reply), use.open(Request)]
      const closed = new Promise<void>((resolve) => client.events.on(type, () => resolve(client.close())))
      const handshake = event(server, 'handshake')
      await link(server, client)
      if (type === 'disconnect') {
        await handshake
        await server.close()
      }
      await closed
      await server.close()
    }
  })
})

describe.each(STREAM_TRANSPORTS)('a process over $name', ({ endpoint }) => {
  const bind = endpoint()

  /** Runs a script to its own end, and returns what it wrote. */
  function run(body: string): Promise<string> {
    const script = `import { Dealer, Pull, Push, Reply, Request } from ${JSON.stringify(SOURCE)}\n${body}`
    const cwd = fileURLToPath(new URL('../../..', import.meta.url))
    return new Promise((resolve, reject) => {
      execFile(
        process.execPath,
        ['--import', 'tsx', '--input-type=module', '-e', script],
        { cwd, timeout: 15_000 },
        (error, stdout, stderr) => {
          if (error === null) resolve(stdout.trim())
          else reject(new Error(`${error.killed ? 'it did not end by itself' : error.message}\n${stdout}${stderr}`))
        },
      )
    })
  }

  it('ends by itself when its sockets are closed', async () => {
    const output = await run(`
      const reply = new Reply({ heartbeatInterval: 1000 })
      await reply.bind('${bind}')
      const request = new Request({ receiveTimeout: 60_000, heartbeatInterval: 1000 })
      request.connect(reply.lastEndpoint)
      await request.send('x')
      await reply.send(await reply.receive())
      console.log(String(await request.receive()))
      void request.receive().catch(() => {})
      const idle = new Dealer()
      idle.connect('tcp://127.0.0.1:1')
      await Promise.all([request.close(), reply.close(), idle.close()])
      console.log('closed')`)
    expect(output).toBe('x\nclosed')
  })

  it('does not end while a socket is open, and sends what it has before it ends', async () => {
    const output = await run(`
      const pull = new Pull()
      await pull.bind('${bind}')
      const push = new Push()
      push.connect(pull.lastEndpoint)
      for (let number = 0; number < 100; number++) void push.send(String(number))
      void push.close()
      let got = 0
      for await (const message of pull) if (++got === 100) break
      console.log(got)
      void pull.close()`)
    expect(output).toBe('100')
  })
})
