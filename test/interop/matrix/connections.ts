/** Connections over time: many messages, routing ids, heartbeats, restarts of either side. */

import { existsSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { event, texts, until } from '../../helpers/sockets.ts'
import { type PeerSocket, within } from './peer-process.ts'
import type { Bench } from './under-test.ts'

const MANY = 3000

export function connections(bench: Bench): void {
  const { under } = bench

  it.each([true, false])('many messages each way arrive in order; the peer binds: %s', async (peerBinds) => {
    const { my, their } = await bench.link(['Dealer'], ['Dealer'], { peerBinds })
    await their.send('connected')
    await my.receive()
    const numbers = Array.from({ length: MANY }, (_, number) => String(number))
    const got: string[] = []
    await Promise.all([
      Promise.all(numbers.map((number) => their.send([number, '', 'x']))),
      (async () => {
        for (const number of numbers) await my.send([number, '', 'x'])
      })(),
      (async () => {
        while (got.length < MANY) got.push(String((await my.receive())[0]))
      })(),
    ])
    expect(got).toEqual(numbers)
    const theirs = await Promise.all(numbers.map(() => their.receive()))
    expect(theirs.map(([number]) => String(number))).toEqual(numbers)
  })

  it(`a PUSH of the peer gives each message to ${under.sendsToAll === undefined ? 'one' : 'all'} of our PULLs`, async () => {
    const push = bench.their('Push')
    await push.bind('tcp://127.0.0.1:0')
    const pulled: string[][] = [[], []]
    for (const got of pulled) {
      const pull = bench.my('Pull')
      const there = event(pull, 'handshake')
      pull.connect(push.lastEndpoint as string)
      await there
      void (async () => {
        for await (const message of pull) got.push(...texts(message))
      })()
    }
    // As soon as the peer, too, knows both.
    await until(async () => {
      await push.send('ready')
      return pulled.every((got) => got.length > 0)
    }, 'messages at both')
    const each = under.sendsToAll === undefined ? 1 : 2
    for (let number = 0; number < 10; number++) await push.send(String(number))
    await push.send('last')
    await until(() => pulled.flat().filter((text) => text === 'last').length === each, 'the last one')
    // Over two connections the order is no one's promise.
    const numbers = (): string[] =>
      pulled
        .flat()
        .filter((text) => /\d/.test(text))
        .sort()
    await until(() => numbers().length >= 10 * each, 'all of them')
    expect(numbers()).toEqual(Array.from({ length: 10 * each }, (_, index) => String(Math.floor(index / each))))
  })

  if (under.otherIpc === undefined) {
    it('messages go over ipc, too', async () => {
      for (const peerBinds of [true, false]) {
        const path = ipcPath(under.name, peerBinds)
        // Not everybody takes it away.
        bench.use.defer(() => rmSync(path, { force: true }))
        const { my, their } = await bench.link(['Dealer'], ['Router'], { peerBinds, endpoint: `ipc://${path}` })
        await my.send('to')
        const [id, body] = await their.receive()
        expect(String(body)).toBe('to')
        await their.send([id as Buffer, 'fro'])
        expect(texts(await my.receive())).toEqual(['fro'])
      }
    })
  } else {
    it('its ipc makes no socket in the file system', async () => {
      // It makes the number of a TCP port of the path, and any program may have that port: then another path is another port.
      const router = bench.their('Router')
      let path = ''
      let bound = false
      for (let attempt = 0; !bound; attempt++) {
        path = ipcPath(`${under.name}-${attempt}`, true)
        bound = await router.bind(`ipc://${path}`).then(
          () => true,
          (error: Error) => {
            if (attempt === 4 || !error.message.includes('Address already in use')) throw error
            return false
          },
        )
      }
      expect(existsSync(path)).toBe(false)
    })
  }

  it.each([true, false])('routing ids are told; the peer binds: %s', async (peerBinds) => {
    const one = await bench.link(['Router'], ['Dealer', { 'routing-id': ['theirs'] }], { peerBinds })
    await one.their.send('hello')
    expect(texts(await one.my.receive())).toEqual(['theirs', 'hello'])
    const other = await bench.link(['Dealer', { routingId: 'mine' }], ['Router'], { peerBinds })
    await other.my.send('hello')
    expect(texts(await other.their.receive())).toEqual(['mine', 'hello'])
  })

  if (under.notConnected !== undefined) {
    it('to send without a connection fails', async () => {
      const their = bench.their('Request')
      await their.bind('tcp://127.0.0.1:0')
      await expect(within(their.sendAtOnce('hello'), 500)).rejects.toThrow(under.notConnected)
    })
  }

  if (under.noHeartbeats === undefined) {
    it('our PING is answered', async () => {
      const { my, their } = await bench.link(['Dealer', { heartbeatInterval: 50, heartbeatTimeout: 1000 }], ['Dealer'], { peerBinds: true })
      await my.send('hello')
      await their.receive()
      const ended = event(my, 'disconnect').then(() => 'ended')
      expect(await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 1500, 'kept'))])).toBe('kept')
      await my.send('still there')
      expect(texts(await their.receive())).toEqual(['still there'])
    })
  } else {
    it('our PING confuses its application, and the silence after it ends the connection', async () => {
      const { my, their } = await bench.link(['Dealer', { heartbeatInterval: 50, heartbeatTimeout: 300 }], ['Dealer'], { peerBinds: true })
      const ended = event(my, 'disconnect')
      const told = await their.receive().then(texts, (error: Error) => [error.message])
      expect(told).toEqual([under.noHeartbeats?.told])
      expect((await ended).error?.message).toContain('answered no PING')
    })
  }

  describe('when the peer is killed and started again', () => {
    it('our client comes back to it, with what it queued, once and in order', async () => {
      const first = bench.start()
      const server = bench.their('Router', {}, first)
      await server.bind('tcp://127.0.0.1:0')
      const client = bench.my('Dealer', { reconnectInterval: 5 })
      client.connect(server.lastEndpoint as string)
      await client.send('first')
      expect(texts((await server.receive()).slice(1))).toEqual(['first'])
      const lost = event(client, 'disconnect')
      await first.kill()
      await lost
      for (let number = 0; number < 100; number++) await client.send(String(number))
      const again = bench.their('Router', {}, bench.start())
      await again.bind(server.lastEndpoint as string)
      for (let number = 0; number < 100; number++) expect(texts((await again.receive()).slice(1))).toEqual([String(number)])
    })

    it('our SUB subscribes to it again', async () => {
      const first = bench.start()
      const publisher = bench.their('Publisher', {}, first)
      await publisher.bind('tcp://127.0.0.1:0')
      const subscriber = bench.my('Subscriber', { reconnectInterval: 5 })
      subscriber.subscribe('news')
      subscriber.connect(publisher.lastEndpoint as string)
      await untilHeard(publisher, 'news 1', () => subscriber.receive())
      const lost = event(subscriber, 'disconnect')
      await first.kill()
      await lost
      const again = bench.their('Publisher', {}, bench.start())
      await again.bind(publisher.lastEndpoint as string)
      await untilHeard(again, 'news 2', () => subscriber.receive())
    })

    it('our server serves the new one, and has forgotten the old', async () => {
      const server = bench.my('Router', { mandatory: true })
      await server.bind('tcp://127.0.0.1:0')
      let old: Buffer | undefined
      for (const number of [1, 2]) {
        const running = bench.start()
        const client = await bench.arrive(server, () => bench.their('Dealer', { 'routing-id': [`client ${number}`] }, running))
        await client.send('hello')
        const [id] = await server.receive()
        await server.send([id as Buffer, 'welcome'])
        expect(texts(await client.receive())).toEqual(['welcome'])
        const lost = event(server, 'disconnect')
        await running.kill()
        await lost
        old = id
      }
      await expect(server.send([old as Buffer, 'too late'])).rejects.toMatchObject({ code: 'EHOSTUNREACH' })
    })
  })

  describe('when our server is closed and opened again', () => {
    const comesBack = (type: 'Dealer' | 'Subscriber'): boolean => under.connectsOnce === undefined || under.connectsOnce.but.includes(type)

    it(`the peer's DEALER ${comesBack('Dealer') ? 'comes back' : 'does not come back'}`, async () => {
      const { my, their } = await bench.link(['Router'], ['Dealer'], { peerBinds: false })
      await their.send('first')
      await my.receive()
      const address = my.lastEndpoint as string
      await my.close()
      const again = bench.my('Router', comesBack('Dealer') ? {} : { receiveTimeout: 1000 })
      await again.bind(address)
      if (comesBack('Dealer')) {
        if (under.losesServers !== undefined) {
          // This one is lost, or else would come first.
          await their.send('lost').catch(() => {})
          await event(again, 'handshake')
        }
        await their.send('second')
        expect(texts((await again.receive()).slice(1))).toEqual(['second'])
      } else {
        await their.sendAtOnce('second').catch(() => {})
        await expect(again.receive()).rejects.toMatchObject({ code: 'EAGAIN' })
      }
    })

    it(`the peer's SUB ${comesBack('Subscriber') ? 'subscribes again' : 'does not come back'}`, async () => {
      const { my, their } = await bench.link(['XPublisher'], ['Subscriber'], { peerBinds: false })
      await their.subscribe('a')
      expect(String((await my.receive())[0])).toBe('\x01a')
      const address = my.lastEndpoint as string
      // It notices only while it receives.
      const hearing = their.receive().catch((error: Error) => error.message)
      await my.close()
      const again = bench.my('XPublisher', comesBack('Subscriber') ? {} : { receiveTimeout: 1000 })
      await again.bind(address)
      if (!comesBack('Subscriber')) return await expect(again.receive()).rejects.toMatchObject({ code: 'EAGAIN' })
      expect(String((await again.receive())[0])).toBe('\x01a')
      if (under.losesServers !== undefined) expect(await hearing).toBe(`receive failed: ${under.losesServers.told}`)
      await again.send('a news')
      expect(texts((under.losesServers === undefined ? await hearing : await their.receive()) as Buffer[])).toEqual(['a news'])
    })
  })
}

function ipcPath(name: string, peerBinds: boolean): string {
  return join(tmpdir(), `zmq-rpc-${process.pid}-${name}-${peerBinds ? 'theirs' : 'ours'}.sock`)
}

/** Until a subscription, which is on its way, is there. */
async function untilHeard(publisher: PeerSocket, message: string, receive: () => Promise<Buffer[]>): Promise<void> {
  let got: string[] | undefined
  const hearing = (async () => {
    do got = texts(await receive())
    while (got[0] !== message)
  })()
  await until(async () => {
    await publisher.send(message)
    return got?.[0] === message
  }, `hearing ${message}`)
  await hearing
}
