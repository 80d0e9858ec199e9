/** Keys in place of passwords: who is let in, as whom, and what those hear who are not. */

import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Command, type Credentials, curveKeyPair, Receiver, ShutdownServer } from '../../../src/index.ts'
import { endpointOf, failureOf, Greet, until, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()
const LOCAL = 'tcp://127.0.0.1:0'
const ofServer = curveKeyPair()
const pi = curveKeyPair()
const stranger = curveKeyPair()
const serverKey = ofServer.publicKey

class WhoAmI extends Command<unknown> {
  static readonly commandName: string = 'WhoAmI'
}

const whoAmI = (server: Parameters<NonNullable<Parameters<typeof rpc.started>[1]>>[0]): void => {
  server.register(WhoAmI, (_command, { principal }) => principal ?? 'nobody')
}

function credentials(keys: Partial<typeof pi> = pi, of = serverKey): Credentials {
  return { curve: { serverKey: of, ...keys } }
}

describe('a client whose key the server knows', () => {
  it.each([
    ['by itself', [pi.publicKey], pi.publicKey],
    ['by a username', { pi: pi.publicKey, other: curveKeyPair().publicKey }, 'pi'],
  ])('%s is served, and the service knows who calls', async (_name, allow, username) => {
    const server = await rpc.started({ rep: LOCAL, auth: { curve: { secretKey: ofServer.secretKey, allow } } }, whoAmI)
    const client = rpc.client({ req: endpointOf(server), credentials: credentials() })
    expect(await client.execute(new Greet('Ada'))).toBe('Hello Ada')
    expect(await client.execute(new WhoAmI())).toEqual({ username, publicKey: pi.publicKey })
    expect(await Promise.all(Array.from({ length: 500 }, (_, index) => client.execute(new Greet(String(index)))))).toHaveLength(500)
  })

  it('by an authenticator has the principal that it makes', async () => {
    const asked: unknown[] = []
    const authenticate = async (client: { publicKey: string }, origin: object): Promise<{ username: string; room: string }> => {
      asked.push([client, origin])
      return { username: 'pi', room: 'lab 2' }
    }
    const server = await rpc.started({ rep: LOCAL, auth: { curve: { secretKey: ofServer.secretKey, authenticate } } }, whoAmI)
    const client = rpc.client({ req: endpointOf(server), credentials: credentials() })
    expect(await client.execute(new WhoAmI())).toEqual({ username: 'pi', room: 'lab 2' })
    expect(asked).toEqual([[{ publicKey: pi.publicKey }, { endpoint: endpointOf(server), remoteAddress: expect.stringMatching(/^tcp:/) }]])
  })

  it('may shut it down', async () => {
    const server = await rpc.started({ rep: LOCAL, auth: { curve: { secretKey: ofServer.secretKey, allow: [pi.publicKey] } } })
    await rpc.client({ req: endpointOf(server), credentials: credentials() }).execute(new ShutdownServer())
    await server.stopped
  })
})

describe('a server that lets in any key', () => {
  const auth = { curve: { secretKey: ofServer.secretKey } }

  it('serves clients that have no key of their own, as nobody', async () => {
    const server = await rpc.started({ rep: LOCAL, auth }, whoAmI)
    for (const keys of [{}, pi, { secretKey: stranger.secretKey }]) {
      const client = rpc.client({ req: endpointOf(server), credentials: credentials(keys) })
      expect(await client.execute(new WhoAmI())).toBe('nobody')
    }
  })

  it('is not shut down by them', async () => {
    const server = await rpc.started({ rep: LOCAL, auth })
    const client = rpc.client({ req: endpointOf(server), credentials: credentials({}) })
    expect(await failureOf(client.execute(new ShutdownServer()))).toMatchObject({ code: 'NOT_ALLOWED', status: 403 })
    expect(server.running).toBe(true)
  })
})

describe('AUTH_REFUSED', () => {
  const allow = [pi.publicKey]
  const auth = { curve: { secretKey: ofServer.secretKey, allow } }
  const other = curveKeyPair()

  it.each<[string, object | undefined, Credentials | undefined, RegExp]>([
    [
      'a key that is not allowed',
      auth,
      credentials(stranger),
      /does not let us in with the public key .{40}: the peer refused the credentials \(400\)/,
    ],
    ['a key that was made up', auth, credentials({}), /does not let us in with the public key .{40}: the peer refused/],
    ['another server key', auth, credentials(pi, other.publicKey), /most likely the server's public key is not the one set here/],
    ['no key', auth, undefined, /does not let us in without credentials: the peer uses mechanism CURVE, this socket NULL/],
    [
      'a password',
      auth,
      { username: 'pi', password: 'hunter2' },
      /does not let us in as user "pi": the peer uses mechanism CURVE, this socket PLAIN/,
    ],
    ['a key where a password is asked', { users: { pi: 'x' } }, credentials(), /the peer uses mechanism PLAIN, this socket CURVE/],
    ['a key where nothing is asked', undefined, credentials(), /the peer uses mechanism NULL, this socket CURVE/],
  ])('comes at once, not as a time-out: %s', async (_name, auth, credentials, text) => {
    const server = await rpc.started({ rep: LOCAL, auth })
    const client = rpc.client({ req: endpointOf(server), credentials, timeoutMs: 1e9 })
    const errors = await Promise.all([failureOf(client.execute(new Greet())), failureOf(client.ready())])
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'AUTH_REFUSED', endpoint: endpointOf(server) })
      expect(error.message).toMatch(text)
      const shown = inspect(error, { depth: 20, showHidden: true })
      for (const secret of [ofServer.secretKey, pi.secretKey, stranger.secretKey, 'hunter2']) expect(shown).not.toContain(secret)
    }
  })

  it('is published by the server, which shows no secret either', async () => {
    const failed = rpc.hear('zmq-rpc:handshake:failed')
    const server = await rpc.started({ rep: LOCAL, auth })
    const client = rpc.client({ req: endpointOf(server), credentials: credentials(stranger) })
    await failureOf(client.execute(new Greet()))
    const events = await failed.atLeast(2)
    const shown = inspect(events, { depth: 20, showHidden: true })
    for (const secret of [ofServer.secretKey, stranger.secretKey]) expect(shown).not.toContain(secret)
  })
})

describe('publishers and listeners with keys', () => {
  class Inbox extends Receiver {
    readonly texts: string[] = []
    override handleIncomingMessage(text: string): void {
      this.texts.push(text)
    }
  }

  it.each([
    ['the listener asks, as whoever carries out does', false],
    ['the publisher asks', true],
  ])('understand each other when %s', async (_name, publisherAsks) => {
    const auth = { curve: { secretKey: ofServer.secretKey, allow: [pi.publicKey] } }
    const sender = rpc.sender({ pub: LOCAL, ...(publisherAsks ? { auth } : { credentials: credentials() }) })
    await sender.ready()
    const receiver = rpc.own(
      new Inbox({ sub: sender.publishEndpoint as string, ...(publisherAsks ? { credentials: credentials() } : { auth }) }),
    )
    await receiver.start()
    await sender.ready({ subscribers: 1 })
    await sender.send('news')
    await until(() => receiver.texts.length > 0, 'the news come')
    expect(receiver.texts).toEqual(['news'])
  })

  it('do not when the key is not allowed', async () => {
    const failed = rpc.hear('zmq-rpc:handshake:failed')
    const auth = { curve: { secretKey: ofServer.secretKey, allow: [pi.publicKey] } }
    const sender = rpc.sender({ pub: LOCAL, credentials: credentials(stranger) })
    await sender.ready()
    const receiver = rpc.own(new Inbox({ sub: sender.publishEndpoint as string, auth }))
    await receiver.start()
    await failed.atLeast(2)
    await sender.send('news')
    expect(receiver.texts).toEqual([])
  })
})
