/** Who is let in, and who is not. */

import { describe, expect, it } from 'vitest'
import { event, texts } from '../../helpers/sockets.ts'
import { type Bench, type Mechanism, security } from './under-test.ts'

export function refusals(bench: Bench, mechanism: Mechanism): void {
  const { under } = bench
  const secret = mechanism === 'PLAIN' ? 'password' : 'key'

  it(`our server refuses a client with a ${secret} that it does not know`, async () => {
    const { mine, theirs } = security(mechanism, false, true)
    const server = bench.my('Router', { ...mine, receiveTimeout: 0 })
    await server.bind('tcp://127.0.0.1:0')
    const refused = event(server, 'handshake:error:auth')
    const client = bench.their('Dealer', theirs)
    client.connect(server.lastEndpoint as string)
    expect((await refused).error).toMatchObject({ status: 400, byPeer: false })
    await expect(server.receive()).rejects.toMatchObject({ code: 'EAGAIN' })
  })

  if (under.trustsEveryone === undefined) {
    it(`a server refuses our client with a ${secret} that it does not know`, async () => {
      const { mine, theirs } = security(mechanism, true, true)
      const server = bench.their('Router', theirs)
      await server.bind('tcp://127.0.0.1:0')
      const client = bench.my('Dealer', mine)
      const refused = event(client, 'handshake:error:auth')
      client.connect(server.lastEndpoint as string)
      expect((await refused).error).toMatchObject({ status: 400, byPeer: true })
    })
  } else {
    it(`a server lets our client in, whatever its ${secret}`, async () => {
      const { mine, theirs } = security(mechanism, true, true)
      const { my, their } = await bench.link(['Dealer', mine], ['Router', theirs], { peerBinds: true })
      await my.send('hello')
      expect(texts((await their.receive()).slice(1))).toEqual(['hello'])
    })
  }

  describe('where the client binds and the server connects', () => {
    if (under.serverMustBind === undefined) {
      it.each([true, false])('messages pass; the peer is the server: %s', async (peerIsServer) => {
        const { mine, theirs } = security(mechanism, peerIsServer)
        const { my, their } = await bench.link(['Dealer', mine], ['Dealer', theirs], { peerBinds: !peerIsServer })
        await my.send('to')
        expect(texts(await their.receive())).toEqual(['to'])
        await their.send('fro')
        expect(texts(await my.receive())).toEqual(['fro'])
      })
    } else {
      it('both take themselves for clients, or for servers, and end it', async () => {
        const { mine, theirs } = security(mechanism, true)
        const client = bench.my('Dealer', mine)
        await client.bind('tcp://127.0.0.1:0')
        const ended = event(client, 'handshake:error:protocol', 'handshake:error:other')
        bench.their('Dealer', theirs).connect(client.lastEndpoint as string)
        await ended
      })
    }
  })

  it('a client without security gets nowhere with our server', async () => {
    const server = bench.my('Router', { ...security(mechanism, false).mine, receiveTimeout: 0 })
    await server.bind('tcp://127.0.0.1:0')
    const ended = event(server, 'handshake:error:protocol', 'handshake:error:other')
    bench.their('Dealer').connect(server.lastEndpoint as string)
    await ended
    await expect(server.receive()).rejects.toMatchObject({ code: 'EAGAIN' })
  })
}
