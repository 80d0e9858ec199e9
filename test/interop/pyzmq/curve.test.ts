/** CURVE between ours and pyzmq, whose ThreadAuthenticator is what most of its users ask who may come in. */

import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { Command, curveKeyPair, RpcServer } from '../../../src/index.ts'
import { type AuthRequest, Reply, Request, Subscriber, XPublisher } from '../../../src/socket/index.ts'
import { LineProcess } from '../../helpers/line-process.ts'
import { peer } from '../../helpers/peers.ts'
import { event, texts, useSockets } from '../../helpers/sockets.ts'

const python = peer('pyzmqrpc3')
const SCRIPT = fileURLToPath(new URL('../python/curve_peer.py', import.meta.url))
const [ofServer, ada, eve] = [curveKeyPair(), curveKeyPair(), curveKeyPair()]
const AS_ADA = { curveServerKey: ofServer.publicKey, curveSecretKey: ada.secretKey }
const AS_EVE = { curveServerKey: ofServer.publicKey, curveSecretKey: eve.secretKey }
const SERVER = { curveServer: true, curveSecretKey: ofServer.secretKey }

describe.skipIf(!python.available)('CURVE with pyzmq', () => {
  const use = useSockets()

  function start(): LineProcess {
    const process = new LineProcess(python.python, [SCRIPT])
    use.defer(() => process.close())
    return process
  }

  const serverOf = async (verb: 'server' | 'publisher', allowed: string[] | null): Promise<string> =>
    (await start().ask<{ endpoint: string }>({ verb, secret: ofServer.secretKey, allowed })).endpoint

  const ask = async (verb: 'call' | 'listen', endpoint: string, secret: string, timeout: number): Promise<string | null> => {
    const request = { verb, endpoint, secret, serverKey: ofServer.publicKey, timeout, ...(verb === 'call' ? { text: 'question' } : {}) }
    return (await start().ask<{ reply: string | null }>(request)).reply
  }

  it.each([
    ['any key', null],
    ['our key', [eve.publicKey, ada.publicKey]],
  ])('its authenticator lets our client in when it allows %s', async (_name, allowed) => {
    const client = use.open(Request, AS_ADA)
    client.connect(await serverOf('server', allowed))
    await client.send(['question', 'of two frames'])
    expect(texts(await client.receive())).toEqual(['question', 'of two frames'])
  })

  it('its authenticator refuses our client when it does not allow our key, and we are told at once', async () => {
    const client = use.open(Request, AS_EVE)
    const refused = event(client, 'handshake:error:auth')
    client.connect(await serverOf('server', [ada.publicKey]))
    expect((await refused).error).toMatchObject({ status: 400, byPeer: true })
  })

  it('our SUB hears its PUB', async () => {
    const subscriber = use.open(Subscriber, AS_ADA)
    subscriber.subscribe('new')
    subscriber.connect(await serverOf('publisher', [ada.publicKey]))
    expect(texts(await subscriber.receive())).toEqual(['news'])
  })

  it('our server lets in those of its clients whose keys it knows, and no others', async () => {
    const server = use.open(Reply, {
      ...SERVER,
      authenticate: (request: AuthRequest) =>
        request.mechanism === 'CURVE' && request.publicKey === ada.publicKey ? { status: 200, user: 'ada' } : { status: 400 },
    })
    await server.bind('tcp://127.0.0.1:0')
    const address = server.lastEndpoint as string
    const serving = server.receive().then((message) => server.send(message))
    expect(await ask('call', address, ada.secretKey, 10_000)).toBe('question')
    await serving
    const refused = event(server, 'handshake:error:auth')
    expect(await ask('call', address, eve.secretKey, 300)).toBeNull()
    expect((await refused).error).toMatchObject({ status: 400, byPeer: false })
  })

  it('its SUB hears our PUB', async () => {
    const publisher = use.open(XPublisher, SERVER)
    await publisher.bind('tcp://127.0.0.1:0')
    const heard = ask('listen', publisher.lastEndpoint as string, ada.secretKey, 10_000)
    expect(texts(await publisher.receive())).toEqual(['\x01'])
    await publisher.send('news')
    expect(await heard).toBe('news')
  })

  it('a REQ of Python calls our RPC server, which knows it by its key', async () => {
    class Never extends Command {}
    const server = new RpcServer({
      rep: 'tcp://127.0.0.1:0',
      auth: { curve: { secretKey: ofServer.secretKey, allow: { ada: ada.publicKey } } },
    })
    server.register(Never, () => undefined)
    use.defer(() => server.stop())
    await server.start()
    const [address] = server.endpoints as [string]
    expect(await ask('call', address, ada.secretKey, 10_000)).toMatch(/400/)
    expect(await ask('call', address, eve.secretKey, 300)).toBeNull()
  })
})
