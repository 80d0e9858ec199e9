/** Binding, connecting and taking both back. */

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Dealer, Pull, Push, Reply, Request, Router } from '../../../src/socket/index.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { codeOf, event, link, outcome, STREAM_TRANSPORTS, TRANSPORTS, texts, until, useSockets, vacant } from '../../helpers/sockets.ts'

const thrownBy = (call: () => unknown): unknown => {
  try {
    return call()
  } catch (error) {
    return codeOf(error)
  }
}

describe.each(TRANSPORTS)('an endpoint over $name', ({ endpoint }) => {
  const use = useSockets()

  it('is bound once', async () => {
    const [one, two] = [use.open(Pull), use.open(Pull)]
    await one.bind(endpoint())
    const failed = event(two, 'bind:error')
    const bound = one.lastEndpoint as string
    const message = expect.stringMatching(/^Address already in use: .*: choose another (port, or 0 for one that is free|path|name)\)$/)
    await expect(two.bind(bound)).rejects.toMatchObject({ code: 'EADDRINUSE', address: bound, message })
    expect(await failed).toMatchObject({ address: bound, error: { code: 'EADDRINUSE' } })
    expect(two.lastEndpoint).toBe(null)
  })

  it('may be bound again after unbind, and after close', async () => {
    const [one, two] = [use.open(Pull), use.open(Pull)]
    await one.bind(endpoint())
    const bound = one.lastEndpoint as string
    await one.unbind(bound)
    await two.bind(bound)
    await two.close()
    await one.bind(bound)
    expect(one.lastEndpoint).toBe(bound)
  })

  it('unbind and disconnect want an endpoint that is there', async () => {
    const socket = use.open(Dealer)
    await socket.bind(endpoint())
    const bound = socket.lastEndpoint as string
    expect(await outcome(socket.unbind('inproc://never'))).toBe('ENOENT')
    expect(thrownBy(() => socket.disconnect('inproc://never'))).toBe('ENOENT')
    await socket.unbind(bound)
    expect(await outcome(socket.unbind(bound))).toBe('ENOENT')
    socket.connect(bound)
    socket.disconnect(bound)
    expect(thrownBy(() => socket.disconnect(bound))).toBe('ENOENT')
  })

  it('that is unbound ends the connections that came in, and takes no new ones', async () => {
    const [server, client] = [use.open(Router), use.open(Dealer, { reconnectInterval: 5 })]
    const bound = await link(server, client, endpoint())
    await client.send('hello')
    await server.receive()
    const lost = event(client, 'disconnect')
    await server.unbind(bound)
    await lost
    const other = use.open(Router)
    await other.bind(bound)
    await client.send('again')
    expect(texts(await other.receive())[1]).toBe('again')
  })

  it('replies that were sent are written before unbind ends their connection', async () => {
    const [server, client] = [use.open(Reply), use.open(Request, { reconnectInterval: 10_000 })]
    const bound = await link(server, client, endpoint())
    await client.send('question')
    await server.receive()
    await server.send('answer')
    await server.unbind(bound)
    expect(texts(await client.receive())).toEqual(['answer'])
  })

  it('that is disconnected is no longer sent to, and hears nothing', async () => {
    const [one, two] = [use.open(Pull), use.open(Pull)]
    const push = use.open(Push)
    const first = await link(one, push, endpoint())
    await link(two, push, endpoint())
    await push.send('1')
    await push.send('2')
    expect([texts(await one.receive()), texts(await two.receive())]).toEqual([['1'], ['2']])
    push.disconnect(first)
    for (const text of ['3', '4']) await push.send(text)
    expect([texts(await two.receive()), texts(await two.receive())]).toEqual([['3'], ['4']])
  })

  it('what was sent before disconnect still goes out', async () => {
    const [pull, push] = [use.open(Pull), use.open(Push)]
    const bound = await link(pull, push, endpoint())
    for (let number = 0; number < 100; number++) await push.send(String(number))
    push.disconnect(bound)
    for (let number = 0; number < 100; number++) expect(texts(await pull.receive())).toEqual([String(number)])
  })

  it('what was sent before disconnect goes out when the far end comes, and nothing after it', async () => {
    const push = use.open(Push, { reconnectInterval: 5, sendTimeout: 0 })
    const address = await vacant(use, endpoint())
    push.connect(address)
    await push.send('before')
    push.disconnect(address)
    expect(await outcome(push.send('after'))).toBe('EAGAIN')
    const pull = use.open(Pull)
    await pull.bind(address)
    expect(texts(await pull.receive())).toEqual(['before'])
    expect(await outcome(push.send('after'))).toBe('EAGAIN')
  })

  it('a socket may have many, bound and connected', async () => {
    const hub = use.open(Dealer)
    const others = [use.open(Dealer), use.open(Dealer), use.open(Dealer)] as const
    await hub.bind(endpoint())
    others[0].connect(hub.lastEndpoint as string)
    await hub.bind('inproc://hub')
    others[1].connect('inproc://hub')
    await others[2].bind(endpoint())
    hub.connect(others[2].lastEndpoint as string)
    for (const [index, other] of others.entries()) await other.send(String(index))
    const got = [texts(await hub.receive()), texts(await hub.receive()), texts(await hub.receive())].flat()
    expect(got.sort()).toEqual(['0', '1', '2'])
  })
})

describe('tcp endpoints', () => {
  const use = useSockets()

  it.each([
    ['tcp://*:0', /^tcp:\/\/0\.0\.0\.0:\d+$/],
    ['tcp://*:*', /^tcp:\/\/0\.0\.0\.0:\d+$/],
    ['tcp://127.0.0.1:*', /^tcp:\/\/127\.0\.0\.1:\d+$/],
    ['tcp://lo:*', /^tcp:\/\/127\.0\.0\.1:\d+$/],
    ['tcp://localhost:*', /^tcp:\/\/127\.0\.0\.1:\d+$/],
  ])('%s is resolved when bound', async (endpoint, resolved) => {
    const [server, client] = [use.open(Reply), use.open(Request)]
    await server.bind(endpoint)
    expect(server.lastEndpoint).toMatch(resolved)
    expect(server.lastEndpoint).not.toMatch(/:0$/)
    expect(await outcome(server.unbind(endpoint))).toBe('ENOENT')
    client.connect((server.lastEndpoint as string).replace('0.0.0.0', 'localhost'))
    await client.send('hello')
    await server.receive()
    await server.unbind(server.lastEndpoint as string)
  })

  it('with ipv6 the wildcard takes both, by address and by name', async () => {
    const server = use.open(Pull, { ipv6: true })
    await server.bind('tcp://*:0')
    expect(server.lastEndpoint).toMatch(/^tcp:\/\/\[::\]:\d+$/)
    const port = new URL(server.lastEndpoint as string).port
    for (const host of ['127.0.0.1', '[::1]', 'localhost']) {
      const client = use.open(Push)
      client.connect(`tcp://${host}:${port}`)
      await client.send(host)
      expect(texts(await server.receive())).toEqual([host])
    }
  })

  it('an address that this machine does not have cannot be bound', async () => {
    expect(await outcome(use.open(Pull).bind('tcp://192.0.2.1:0'))).toBe('EADDRNOTAVAIL')
  })

  it('a name that is unknown cannot be bound, and is tried again when connected to', async () => {
    expect(await outcome(use.open(Pull).bind('tcp://no-such-host.invalid:0'))).toBe('ENODEV')
    const push = use.open(Push, { reconnectInterval: 5 })
    const retry = event(push, 'connect:retry')
    push.connect('tcp://no-such-host.invalid:1')
    expect((await retry).error).toBeInstanceOf(Error)
  })

  it('connecting gives up after connectTimeout, and tries again', async () => {
    // An address of the block for documentation is routed nowhere, or refused at once: both end in a retry.
    const push = use.open(Push, { connectTimeout: 20, reconnectInterval: 1 })
    const retry = event(push, 'connect:retry')
    push.connect('tcp://192.0.2.1:9')
    expect((await retry).error).toBeInstanceOf(Error)
  })

  const linux = process.platform === 'linux'
  it.skipIf(!linux)('keep-alive is on for both ends, or for neither', async () => {
    for (const tcpKeepalive of [1, -1]) {
      const [server, client] = [
        use.open(Reply, { tcpKeepalive, tcpKeepaliveIdle: 100 }),
        use.open(Request, { tcpKeepalive, tcpKeepaliveIdle: 100 }),
      ]
      const bound = await link(server, client)
      await client.send('hello')
      await server.send(await server.receive())
      await client.receive()
      const port = Number(new URL(bound).port).toString(16).toUpperCase().padStart(4, '0')
      // The kernel's list: local and remote address, state 01 for established, and the running timer, 02 for keep-alive.
      const timers = (): string[] =>
        readFileSync('/proc/net/tcp', 'utf8')
          .split('\n')
          .map((line) => line.trim().split(/\s+/))
          .filter(([, local, remote, state]) => state === '01' && (local?.endsWith(`:${port}`) || remote?.endsWith(`:${port}`)))
          .map((fields) => fields[5]?.split(':')[0] ?? '')
      const expected = tcpKeepalive === 1 ? ['02', '02'] : ['00', '00']
      await until(() => timers().join() === expected.join(), `timers ${expected}`, 2000)
    }
  })

  it('small messages do not wait for one another: Nagle is off, at either end', async () => {
    const [server, client] = [use.open(Dealer), use.open(Dealer)]
    await link(server, client)
    const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      // A conversation makes both ends delay their acknowledgements, in the hope of sending them with a reply.
      for (let count = 0; count < 20; count++) {
        await from.send('question')
        await to.send(await to.receive())
        await from.receive()
      }
      const gaps: number[] = []
      for (let count = 0; count < 5; count++) {
        const sending = (async () => {
          await from.send('first')
          await turn()
          await from.send('second')
        })()
        await to.receive()
        const first = performance.now()
        await to.receive()
        gaps.push(performance.now() - first)
        await sending
        await to.send('reply')
        await from.receive()
      }
      expect(Math.min(...gaps)).toBeLessThan(20)
    }
  })
})

describe('ipc endpoints', () => {
  const use = useSockets()

  it('the file is there while it is bound, and no longer', async () => {
    const path = join(temporaryFolder(), 'socket')
    const pull = use.open(Pull)
    await pull.bind(`ipc://${path}`)
    expect(existsSync(path)).toBe(true)
    await pull.unbind(`ipc://${path}`)
    expect(existsSync(path)).toBe(false)
    await pull.bind('ipc://*')
    const own = (pull.lastEndpoint as string).slice('ipc://'.length)
    expect(existsSync(own)).toBe(true)
    await pull.close()
    expect(existsSync(own)).toBe(false)
  })

  it('a file that a dead process left behind is no obstacle', async () => {
    const path = join(temporaryFolder(), 'socket')
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    await once(spawn(process.execPath, ['-e', script]), 'exit')
    expect(existsSync(path)).toBe(true)
    const [pull, push] = [use.open(Pull), use.open(Push)]
    await link(pull, push, `ipc://${path}`)
    await push.send('x')
    expect(texts(await pull.receive())).toEqual(['x'])
  })

  it('one that somebody listens on is not taken away', async () => {
    const path = join(temporaryFolder(), 'socket')
    const [holder, thief, push] = [use.open(Pull), use.open(Pull), use.open(Push)]
    await holder.bind(`ipc://${path}`)
    expect(await outcome(thief.bind(`ipc://${path}`))).toBe('EADDRINUSE')
    push.connect(`ipc://${path}`)
    await push.send('x')
    expect(texts(await holder.receive())).toEqual(['x'])
  })

  it('a file that is no socket is left alone', async () => {
    const path = join(temporaryFolder(), 'precious')
    writeFileSync(path, 'data')
    expect(await outcome(use.open(Pull).bind(`ipc://${path}`))).toBe('EADDRINUSE')
    expect(readFileSync(path, 'utf8')).toBe('data')
  })

  it('a folder that is not there is an error; connecting waits for it', async () => {
    const path = join(temporaryFolder(), 'later', 'socket')
    const refused = { code: 'ENOENT', message: expect.stringContaining(`there is no folder '${join(path, '..')}'`) }
    await expect(use.open(Pull).bind(`ipc://${path}`)).rejects.toMatchObject(refused)
    const [push, pull] = [use.open(Push, { reconnectInterval: 5 }), use.open(Pull)]
    const retry = event(push, 'connect:retry')
    push.connect(`ipc://${path}`)
    expect((await retry).error).toMatchObject({ code: 'ENOENT' })
    execFileSync('mkdir', [join(path, '..')])
    await pull.bind(`ipc://${path}`)
    await push.send('x')
    expect(texts(await pull.receive())).toEqual(['x'])
  })
})

describe('inproc endpoints', () => {
  const use = useSockets()

  it('sockets that do not go together are told, at both ends and in either order', async () => {
    const [pull, request] = [use.open(Pull), use.open(Request)]
    const told = [event(pull, 'handshake:error:protocol'), event(request, 'handshake:error:protocol')]
    pull.connect('inproc://mismatch')
    await request.bind('inproc://mismatch')
    for (const each of await Promise.all(told)) expect(each.error).toMatchObject({ code: 'PROTOCOL_ERROR' })

    const late = use.open(Pull)
    const toldLater = [event(late, 'handshake:error:protocol'), event(request, 'handshake:error:protocol')]
    late.connect('inproc://mismatch')
    await Promise.all(toldLater)
    // Nobody else suffers from it.
    const reply = use.open(Reply)
    reply.connect('inproc://mismatch')
    await request.send('x')
    expect(texts(await reply.receive())).toEqual(['x'])
  })

  it('frames are copied: neither side can change what the other has', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    await link(pull, push, 'inproc://copies')
    const large = Buffer.alloc(100_000, 'a')
    await push.send(large)
    large.fill('b')
    expect((await pull.receive())[0]?.equals(Buffer.alloc(100_000, 'a'))).toBe(true)
  })

  it('a peer that connects again after it was disconnected hears nothing twice', async () => {
    const [push, pull] = [use.open(Push), use.open(Pull)]
    await pull.bind('inproc://again')
    for (let round = 0; round < 3; round++) {
      push.connect('inproc://again')
      await push.send(String(round))
      expect(texts(await pull.receive())).toEqual([String(round)])
      push.disconnect('inproc://again')
    }
  })
})

describe.each(STREAM_TRANSPORTS)('reconnecting over $name', ({ endpoint }) => {
  const use = useSockets()

  it('what was queued while the server was away arrives once, in order, on the same endpoint', async () => {
    const client = use.open(Dealer, { reconnectInterval: 5 })
    let server = use.open(Router)
    const address = await link(server, client, endpoint())
    await client.send('first')
    await server.receive()
    for (let restart = 0; restart < 3; restart++) {
      const lost = event(client, 'disconnect')
      await server.close()
      await lost
      for (let number = 0; number < 200; number++) await client.send(`${restart}:${number}`)
      server = use.open(Router)
      await server.bind(address)
      for (let number = 0; number < 200; number++) expect(texts(await server.receive())[1]).toBe(`${restart}:${number}`)
    }
  })

  it('a request whose answer is under way when the server goes is not sent twice', async () => {
    const client = use.open(Dealer, { reconnectInterval: 5 })
    const server = use.open(Router)
    const address = await link(server, client, endpoint())
    await client.send('once')
    await server.receive()
    const lost = event(client, 'disconnect')
    await server.close()
    await lost
    const again = use.open(Router)
    await again.bind(address)
    await client.send('next')
    expect(texts(await again.receive())[1]).toBe('next')
  })

  it('a client that is sending while the server goes loses no whole queue', async () => {
    const client = use.open(Push, { reconnectInterval: 5 })
    const server = use.open(Pull)
    const address = await link(server, client, endpoint())
    await client.send('0')
    await server.receive()
    const back = event(client, 'disconnect')
    const closing = server.close()
    let sent = 1
    let away = false
    void back.then(() => {
      away = true
    })
    while (!away) {
      await client.send(String(sent++))
      await new Promise(setImmediate)
    }
    await closing
    // From the disconnect on nothing is lost.
    const first = sent
    for (let count = 0; count < 100; count++) await client.send(String(sent++))
    const again = use.open(Pull)
    await again.bind(address)
    const got: number[] = []
    while (got.at(-1) !== sent - 1) got.push(Number(texts(await again.receive())[0]))
    expect(got.slice(-100)).toEqual(Array.from({ length: 100 }, (_, index) => first + index))
    expect(got).toEqual([...got].sort((a, b) => a - b))
    expect(new Set(got).size).toBe(got.length)
  })

  it('reconnectInterval -1 tries once only', async () => {
    const [server, client] = [use.open(Pull), use.open(Push, { reconnectInterval: -1, sendTimeout: 0 })]
    await link(server, client, endpoint())
    await client.send('x')
    await server.receive()
    const lost = event(client, 'disconnect')
    await server.close()
    await lost
    // As in libzmq, the endpoint is given up: nothing is queued for it.
    expect(await outcome(client.send('y'))).toBe('EAGAIN')
    client.linger = -1
    await client.close()
  })
})
