import { describe, expect, it } from 'vitest'
import { Receiver, type ServiceContext } from '../../../src/index.ts'
import { Dealer, Publisher } from '../../../src/socket/index.ts'
import { endpointOf, failureOf, until, useRpc, WAYS } from '../../helpers/rpc.ts'

const rpc = useRpc()

const TCP = { rep: 'tcp://127.0.0.1:0' }

class Shouting extends Receiver {
  readonly seen: string[] = []
  override handleIncomingMessage(text: string, _context: ServiceContext): unknown {
    this.seen.push(text)
    if (text === 'throw') throw new Error('as you wish')
    if (text === 'throw nothing') throw undefined
    if (text === 'throw what cannot be shown') throw Object.create(null)
    if (text === 'reject') return Promise.reject(new Error('later'))
    if (text === 'reject what cannot be shown') return Promise.reject(Object.create(null))
    if (text === 'later') return new Promise((resolve) => setImmediate(resolve, 'LATER'))
    // biome-ignore lint/suspicious/noThenProperty: a promise of another library
    if (text === 'thenable') return { then: (resolve: (value: string) => void) => resolve('THENABLE') }
    if (text === 'a map') return new Map()
    if (text === 'nothing') return undefined
    return text.toUpperCase()
  }
}

describe.each(WAYS)('over $name, in the $dialect dialect', ({ endpoint, dialect }) => {
  rpc.speak(dialect)

  it('a text arrives, and is answered', async () => {
    const receiver = rpc.receiver({ rep: endpoint() })
    await receiver.start()
    expect(receiver.lastReceivedMessage).toBeUndefined()
    const sender = rpc.sender({ req: endpointOf(receiver) })
    expect(await sender.send('hello')).toBeUndefined()
    expect(receiver.lastReceivedMessage).toBe('hello')
    await sender.send('')
    expect(receiver.lastReceivedMessage).toBe('')
  })

  it('a text arrives at every subscriber', async () => {
    const sender = rpc.sender({ pub: endpoint() })
    await sender.ready()
    const sub = sender.publishEndpoint as string
    const receivers = [rpc.receiver({ sub }), rpc.receiver({ sub: [sub] }), rpc.receiver({ sub: { endpoint: sub } })]
    for (const receiver of receivers) await receiver.start()
    await sender.ready({ subscribers: 3 })
    expect(await sender.send('to all')).toBeUndefined()
    await until(() => receivers.every((receiver) => receiver.lastReceivedMessage === 'to all'), 'all have it')
  })
})

describe('the answer', () => {
  const answering = async () => {
    const receiver = rpc.own(new Shouting(TCP))
    await receiver.start()
    return { receiver, sender: rpc.sender({ req: endpointOf(receiver), timeoutMs: 3000 }) }
  }

  it('is what handleIncomingMessage returns, now or later', async () => {
    const { sender, receiver } = await answering()
    expect(await sender.send('hello')).toBe('HELLO')
    expect(await sender.send('later')).toBe('LATER')
    expect(await sender.send('thenable')).toBe('THENABLE')
    expect(await sender.send('nothing')).toBeUndefined()
    expect(receiver.seen).toEqual(['hello', 'later', 'thenable', 'nothing'])
  })

  it.each([
    ['throw', 'as you wish'],
    ['throw nothing', 'undefined'],
    ['throw what cannot be shown', 'an error that cannot be shown'],
    ['reject', 'later'],
    ['reject what cannot be shown', 'an error that cannot be shown'],
    ['a map', 'cannot write the result'],
  ])('is 463 when it fails: %s', async (text, reason) => {
    const { sender, receiver } = await answering()
    const failed = rpc.hear('zmq-rpc:service:failed')
    const error = await failureOf(sender.send(text))
    expect(error).toMatchObject({ code: 'SERVICE_FAILED', status: 463, endpoint: endpointOf(receiver), command: undefined })
    expect(error.message).toContain('Exception raised when calling service Shouting. Exception: ')
    expect(error.message).toContain(reason)
    expect(failed.events).toMatchObject([{ command: '(text)' }])
    expect(receiver.lastReceivedMessage).toBe(text)
    expect(await sender.send('on')).toBe('ON')
  })
})

describe('any text', () => {
  it.each(['Größe 日本語 😀', '\ufeffwith a mark', 'a\u0000b', 'x'.repeat(2_000_000), '{"_icmd_": ["Greet", {}]}'])(
    'arrives as it is: %#',
    async (text) => {
      const receiver = rpc.receiver(TCP)
      await receiver.start()
      await rpc.sender({ req: endpointOf(receiver) }).send(text)
      expect(receiver.lastReceivedMessage === text).toBe(true)
    },
  )

  it('that has no UTF-8 is refused before it is sent', async () => {
    const sender = rpc.sender({ req: 'tcp://127.0.0.1:1' })
    expect(await failureOf(sender.send('a\ud800b'))).toMatchObject({ code: 'BAD_COMMAND' })
  })
})

describe('what is no text', () => {
  it('is answered with 400, and the receiver lives on', async () => {
    const receiver = rpc.receiver(TCP)
    await receiver.start()
    const refused = rpc.hear('zmq-rpc:command:refused')
    const dealer = new Dealer({ linger: 0 })
    rpc.defer(() => dealer.close())
    dealer.connect(endpointOf(receiver))
    for (const body of [[Buffer.from([0xff])], [Buffer.from([0xc3])], ['two', 'frames']]) {
      await dealer.send(['', ...body])
      expect(JSON.parse(String((await dealer.receive())[1]))).toEqual({
        status_code: 400,
        status_message: 'The message is not one frame of UTF-8 text.',
      })
    }
    expect(receiver.lastReceivedMessage).toBeUndefined()
    expect(refused.events).toMatchObject(
      Array.from({ length: 3 }, () => ({ status: 400, command: undefined, endpoint: endpointOf(receiver) })),
    )
    await rpc.sender({ req: endpointOf(receiver) }).send('on')
    expect(receiver.lastReceivedMessage).toBe('on')
  })

  it('is dropped when it was published, with an event', async () => {
    const publisher = new Publisher({ linger: 0 })
    rpc.defer(() => publisher.close())
    await publisher.bind('tcp://127.0.0.1:0')
    const receiver = rpc.receiver({ sub: publisher.lastEndpoint as string })
    await receiver.start()
    await until(async () => {
      await publisher.send('hello')
      return receiver.lastReceivedMessage === 'hello'
    }, 'the publisher is heard')
    const refused = rpc.hear('zmq-rpc:command:refused')
    await publisher.send(Buffer.from([0xff]))
    await refused.atLeast(1)
    expect(receiver.lastReceivedMessage).toBe('hello')
  })
})

describe('a heartbeat', () => {
  it('is no message, wherever it comes from; over REP it is answered', async () => {
    const sender = rpc.sender({ pub: 'tcp://127.0.0.1:0' })
    await sender.ready()
    const receiver = rpc.own(new Shouting({ ...TCP, sub: sender.publishEndpoint as string }))
    await receiver.start()
    await sender.ready({ subscribers: 1 })
    await sender.sendHeartbeat()
    await sender.send('first')
    await until(() => receiver.lastReceivedMessage === 'first', 'the text is there')
    const dealer = new Dealer({ linger: 0 })
    rpc.defer(() => dealer.close())
    dealer.connect(endpointOf(receiver))
    await dealer.send(['', 'zmq_sub_heartbeat'])
    expect(String((await dealer.receive())[1])).toBe('{"status_code": 200, "status_message": "OK"}')
    expect(receiver.seen).toEqual(['first'])
    expect(receiver.lastReceivedMessage).toBe('first')
  })

  it('is published on an interval', () =>
    rpc.virtually(async () => {
      const sender = rpc.sender({ pub: 'tcp://127.0.0.1:0', heartbeatIntervalMs: 100 })
      await sender.ready()
      const silent = rpc.hear('zmq-rpc:sub:silent')
      const receiver = rpc.receiver({ sub: { endpoint: sender.publishEndpoint as string, heartbeatTimeoutMs: 150 } })
      await receiver.start()
      await sender.ready({ subscribers: 1 })
      await new Promise((resolve) => setTimeout(resolve, 60_000))
      expect(silent.events).toEqual([])
    }))

  it('needs a place to be published', async () => {
    expect(await failureOf(rpc.sender({ req: 'tcp://127.0.0.1:1' }).sendHeartbeat())).toMatchObject({ code: 'BAD_OPTION' })
  })
})

describe('a sender with both ways out', () => {
  it('publishes, and has one receiver answer', async () => {
    const [rep, sub] = [rpc.own(new Shouting(TCP)), undefined]
    await rep.start()
    const sender = rpc.sender({ req: endpointOf(rep), pub: 'tcp://127.0.0.1:0' })
    await sender.ready()
    const listener = rpc.receiver({ sub: sender.publishEndpoint as string })
    await listener.start()
    await sender.ready({ subscribers: 1 })
    expect(await sender.send('both')).toBe('BOTH')
    await until(() => listener.lastReceivedMessage === 'both', 'the listener has it')
    expect(sub).toBeUndefined()
  })
})
