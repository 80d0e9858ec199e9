/** Heartbeats: a peer that has died without a word is dropped, one that lives is not. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { Dealer, Pull, Push, Router } from '../../../src/socket/index.ts'
import { RawConnection, RawServer } from '../../helpers/raw-peer.ts'
import { event, link, texts, useSockets } from '../../helpers/sockets.ts'
import { command } from '../../unit/wire/helpers.ts'

describe('heartbeats', () => {
  const use = useSockets()

  it('a server that has left unread what the system took, and a little more, is dropped and connected to anew', async () => {
    const server = await RawServer.listen()
    use.defer(() => server.close())
    const push = use.open(Push, { heartbeatInterval: 100, heartbeatTimeout: 100, reconnectInterval: 5 })
    push.connect(server.endpoint)
    const frozen = await server.accept()
    await frozen.handshake('PULL')
    const lost = event(push, 'disconnect')
    frozen.socket.pause()
    // Until the stream keeps something: not enough for it to be full.
    const stream = () =>
      (process as unknown as { _getActiveHandles(): { remotePort?: number; writableLength: number }[] })
        ._getActiveHandles()
        .find(({ remotePort }) => remotePort === Number(new URL(server.endpoint).port))
    const body = Buffer.alloc(16 * 1024)
    while (stream()?.writableLength === 0) {
      await push.send(body)
      await new Promise(setImmediate)
    }
    await lost
    await server.accept()
  })

  it('a process that stands still for longer than the time-out keeps connections whose PONGs are there to be read', async () => {
    const router = use.open(Router)
    await router.bind('tcp://127.0.0.1:0')
    const file = fileURLToPath(new URL('./children/stands-still.ts', import.meta.url))
    const child = spawn(process.execPath, ['--import', 'tsx', file, router.lastEndpoint as string], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    use.defer(() => child.kill('SIGKILL'))
    const [line] = await once(createInterface({ input: child.stdout }), 'line')
    expect(line).toBe('0')
  })

  it('a server that no longer answers is dropped and connected to anew', async () => {
    const server = await RawServer.listen()
    use.defer(() => server.close())
    const dealer = use.open(Dealer, { heartbeatInterval: 30, heartbeatTimeout: 300, reconnectInterval: 5 })
    const lost = event(dealer, 'disconnect')
    dealer.connect(server.endpoint)
    const frozen = await server.accept()
    await frozen.handshake('ROUTER')
    expect((await frozen.readFrame()).body.toString('latin1')).toBe('\x04PING\0\0')
    expect((await lost).error).toMatchObject({ code: 'PROTOCOL_ERROR' })
    await frozen.closed
    const fresh = await server.accept()
    await fresh.handshake('ROUTER')
    await dealer.send('still here')
    for (;;) {
      const { flags, body } = await fresh.readFrame()
      if ((flags & 4) !== 0) continue
      expect(String(body)).toBe('still here')
      break
    }
  })

  it('one that does not even read is dropped, with everything full; what waits goes to the next', async () => {
    const server = await RawServer.listen()
    use.defer(() => server.close())
    const push = use.open(Push, { heartbeatInterval: 100, heartbeatTimeout: 500, reconnectInterval: 5, sendHighWaterMark: 10 })
    const [lost, there] = [event(push, 'disconnect'), event(push, 'handshake')]
    push.connect(server.endpoint)
    const frozen = await server.accept()
    await frozen.handshake('PULL')
    frozen.socket.pause()
    await there
    const sends = Array.from({ length: 60 }, (_, number) => push.send([String(number), Buffer.alloc(512 * 1024)]))
    expect((await lost).error).toMatchObject({ code: 'PROTOCOL_ERROR' })
    const fresh = await server.accept()
    await fresh.handshake('PULL')
    let last = ''
    while (last !== '59') {
      const { flags, body } = await fresh.readFrame()
      if ((flags & 4) !== 0) fresh.write(command('04"PONG"'))
      else if ((flags & 1) !== 0) last = String(body)
    }
    await Promise.all(sends)
  })

  it('a client that no longer answers is dropped by the server', async () => {
    const router = use.open(Router, { heartbeatInterval: 30 })
    await router.bind('tcp://127.0.0.1:0')
    const lost = event(router, 'disconnect')
    const raw = await RawConnection.connect(router.lastEndpoint as string)
    use.defer(() => raw.close())
    await raw.handshake('DEALER')
    expect((await lost).error).toMatchObject({ code: 'PROTOCOL_ERROR' })
    await raw.closed
  })

  it('two that live and say nothing stay connected', () =>
    use.virtually(async () => {
      const [router, dealer] = [
        use.open(Router, { heartbeatInterval: 15, heartbeatTimeout: 20 }),
        use.open(Dealer, { heartbeatInterval: 15, heartbeatTimeout: 20 }),
      ]
      let lost = 0
      dealer.events.on('disconnect', () => lost++)
      await link(router, dealer)
      await dealer.send('x')
      await router.receive()
      await new Promise((resolve) => setTimeout(resolve, 60_000))
      expect(lost).toBe(0)
    }))

  it('a peer is told how long to wait for us, in tenths of a second', async () => {
    const server = await RawServer.listen()
    use.defer(() => server.close())
    const dealer = use.open(Dealer, { heartbeatInterval: 20, heartbeatTimeout: 5000, heartbeatTimeToLive: 1500 })
    dealer.connect(server.endpoint)
    const raw = await server.accept()
    await raw.handshake('ROUTER')
    expect((await raw.readFrame()).body.toString('hex')).toBe('0450494e47000f')
  })

  it('a PING is answered between the frames of a message, which stays whole', async () => {
    const router = use.open(Router)
    await router.bind('tcp://127.0.0.1:0')
    const raw = await RawConnection.connect(router.lastEndpoint as string)
    use.defer(() => raw.close())
    await raw.handshake('DEALER', 'raw')
    raw.write(Buffer.from('\x01\x01a'), command('04"PING"0000"ctx"'), Buffer.from('\0\x01b'))
    expect(texts(await router.receive())).toEqual(['raw', 'a', 'b'])
    expect((await raw.readFrame()).body.toString('latin1')).toBe('\x04PONGctx')
  })

  it('silence after a PING with a time to live ends the connection', async () => {
    const router = use.open(Router)
    await router.bind('tcp://127.0.0.1:0')
    const lost = event(router, 'disconnect')
    const raw = await RawConnection.connect(router.lastEndpoint as string)
    use.defer(() => raw.close())
    await raw.handshake('DEALER')
    raw.write(command('04"PING"0001'))
    expect((await lost).error).toMatchObject({ code: 'PROTOCOL_ERROR' })
  })

  it('an application that does not receive for a while does not lose its peer', () =>
    use.virtually(async () => {
      const [pull, push] = [
        use.open(Pull, { receiveHighWaterMark: 2, heartbeatInterval: 20, heartbeatTimeout: 20 }),
        use.open(Push, { sendHighWaterMark: 5 }),
      ]
      let lost = 0
      pull.events.on('disconnect', () => lost++)
      await link(pull, push)
      const sends = Array.from({ length: 100 }, (_, number) => push.send([String(number), Buffer.alloc(256 * 1024)]))
      await new Promise((resolve) => setTimeout(resolve, 5000))
      for (let number = 0; number < 100; number++) expect(String((await pull.receive())[0])).toBe(String(number))
      await Promise.all(sends)
      expect(lost).toBe(0)
    }))
})
