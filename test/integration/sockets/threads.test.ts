import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { BroadcastChannel, Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { context } from '../../../src/socket/context.ts'
import { Dealer, Pair, Publisher, Pull, Reply, Request, Router } from '../../../src/socket/index.ts'
import { until } from '../../helpers/sockets.ts'

/** Threads run the built package (`npm test` builds first): it meets the source here on the same names. */
const SOCKETS = new URL('../../../dist/socket/index.js', import.meta.url).href

const open: { close(): Promise<void>; linger: number }[] = []
const workers: Worker[] = []

/** A socket of the default context, which all threads share. */
function socket<S extends { close(): Promise<void>; linger: number }>(made: S): S {
  open.push(made)
  return made
}

/** A thread that runs the code of a function body, with the sockets as `zmq` and the name as `endpoint`. */
function thread(endpoint: string, body: string): Worker {
  const code = `const { parentPort } = require('node:worker_threads')
    void (async () => {
      const zmq = await import(${JSON.stringify(SOCKETS)})
      const endpoint = ${JSON.stringify(endpoint)}
      ${body}
    })()`
  const worker = new Worker(code, { eval: true })
  workers.push(worker)
  return worker
}

afterEach(async () => {
  for (const made of open.splice(0)) {
    made.linger = 0
    await made.close()
  }
  for (const worker of workers.splice(0)) await worker.terminate()
})

const name = (): string => `inproc://${randomUUID()}`

describe('inproc between threads', () => {
  test('carries requests from here to a thread that binds later', async () => {
    const endpoint = name()
    const request = socket(new Request({ receiveTimeout: 10_000 }))
    request.connect(endpoint)
    await request.send(['hello', Buffer.alloc(1024 * 1024, 7)])
    thread(
      endpoint,
      `const reply = new zmq.Reply()
       await reply.bind(endpoint)
       for await (const [text, body] of reply) await reply.send([text + ' back', body])`,
    )
    const [text, body] = await request.receive()
    expect(String(text)).toBe('hello back')
    expect(body?.equals(Buffer.alloc(1024 * 1024, 7))).toBe(true)
  })

  test('carries requests from a thread to here, bound before and after', async () => {
    for (const bindFirst of [true, false]) {
      const endpoint = name()
      const router = socket(new Router({ receiveTimeout: 10_000 }))
      if (bindFirst) await router.bind(endpoint)
      const worker = thread(
        endpoint,
        `const dealer = new zmq.Dealer({ routingId: 'worker' })
         dealer.connect(endpoint)
         await dealer.send('hello')
         const [text] = await dealer.receive()
         parentPort.postMessage(String(text))
         await dealer.close()`,
      )
      if (!bindFirst) await router.bind(endpoint)
      const [id, text] = await router.receive()
      expect([String(id), String(text)]).toEqual(['worker', 'hello'])
      // Both may come in one turn.
      const [heard, ended] = [once(worker, 'message'), once(worker, 'exit')]
      await router.send([id as Buffer, 'answer'])
      expect(await heard).toEqual(['answer'])
      // With its socket closed, nothing keeps the thread alive.
      await ended
    }
  })

  test('carries more than every queue together holds, in order, losing nothing', async () => {
    const endpoint = name()
    const pull = socket(new Pull({ receiveHighWaterMark: 10, receiveTimeout: 10_000 }))
    await pull.bind(endpoint)
    thread(
      endpoint,
      `const push = new zmq.Push({ sendHighWaterMark: 10 })
       push.connect(endpoint)
       for (let index = 0; index < 20000; index++) await push.send(String(index))`,
    )
    for (let index = 0; index < 20_000; index++) expect(String((await pull.receive())[0])).toBe(String(index))
  })

  test('carries subscriptions and publications', async () => {
    const endpoint = name()
    const publisher = socket(new Publisher())
    await publisher.bind(endpoint)
    const worker = thread(
      endpoint,
      `const subscriber = new zmq.Subscriber()
       subscriber.subscribe('a')
       subscriber.connect(endpoint)
       const [text] = await subscriber.receive()
       parentPort.postMessage(String(text))
       await subscriber.close()`,
    )
    const heard = once(worker, 'message')
    const talking = setInterval(() => void publisher.send('b no').then(() => publisher.send('a yes')), 5)
    try {
      expect(await heard).toEqual(['a yes'])
    } finally {
      clearInterval(talking)
    }
  })

  test('comes back when a thread ends and another one binds the name', async () => {
    const endpoint = name()
    const dealer = socket(new Dealer({ receiveTimeout: 10_000, reconnectInterval: 10 }))
    dealer.connect(endpoint)
    const echo = `const dealer = new zmq.Dealer()
       await dealer.bind(endpoint)
       for await (const [text] of dealer) await dealer.send(text + ' from a thread')`
    for (const text of ['one', 'two']) {
      const worker = thread(endpoint, echo)
      await dealer.send(text)
      expect(String(await dealer.receive())).toBe(`${text} from a thread`)
      const lost = new Promise((resolve) => dealer.events.on('disconnect', resolve))
      await worker.terminate()
      await lost
    }
  })

  test('does not join a socket that is closed while the other thread is being called', async () => {
    const endpoint = name()
    const events: string[] = []
    const dealer = socket(new Dealer({ linger: 0 }))
    for (const type of ['handshake', 'disconnect', 'end'] as const) dealer.events.on(type, () => events.push(type))
    const { inproc } = context
    const takeWaiting = inproc.takeWaiting.bind(inproc)
    let closed: Promise<void> | undefined
    vi.spyOn(inproc, 'takeWaiting').mockImplementation((wanted) => {
      const peers = takeWaiting(wanted)
      if (peers.length > 0) closed = dealer.close()
      return peers
    })
    dealer.connect(endpoint)
    const worker = thread(
      endpoint,
      `const dealer = new zmq.Dealer({ linger: 0 })
       const ended = new Promise((resolve) => dealer.events.on('disconnect', resolve))
       await dealer.bind(endpoint)
       await ended
       parentPort.postMessage('told')
       await dealer.close()`,
    )
    expect(await once(worker, 'message')).toEqual(['told'])
    await closed
    vi.restoreAllMocks()
    expect(events).toEqual(['end'])
    expect(inproc.busy).toBe(false)
  })

  test('does not wait again for a socket that is closed while a call fails', async () => {
    const [endpoint, other] = [name(), name()]
    const nameOf = (address: string): string => address.slice('inproc://'.length)
    const { inproc } = context
    const [dealer, open] = [socket(new Dealer({ linger: 0 })), socket(new Dealer({ linger: 0 }))]
    const takeWaiting = inproc.takeWaiting.bind(inproc)
    const closed = new Promise<void>((resolve) => {
      vi.spyOn(inproc, 'takeWaiting').mockImplementation((wanted) => {
        const peers = takeWaiting(wanted)
        if (peers.length > 0 && wanted === nameOf(endpoint)) resolve(dealer.close())
        return peers
      })
    })
    const waits = vi.spyOn(inproc, 'connect')
    const times = (address: string): number => waits.mock.calls.filter(([wanted]) => wanted === nameOf(address)).length
    dealer.connect(endpoint)
    open.connect(other)
    // There is no such thread: both calls fail, one after the other, and the socket that is open waits again.
    const channel = new BroadcastChannel('zmq-rpc:inproc')
    for (const address of [endpoint, other]) channel.postMessage({ kind: 'bound', name: nameOf(address), thread: 1_000_000 })
    await closed
    await until(() => times(other) === 2, 'the other one waits again')
    channel.close()
    expect(times(endpoint)).toBe(1)
    await open.close()
    vi.restoreAllMocks()
    expect(inproc.busy).toBe(false)
  })

  test('joins threads with each other', async () => {
    const endpoint = name()
    thread(endpoint, `const pair = new zmq.Pair(); await pair.bind(endpoint); for await (const [text] of pair) await pair.send(text + '!')`)
    const worker = thread(
      endpoint,
      `const pair = new zmq.Pair()
       pair.connect(endpoint)
       await pair.send('hello')
       parentPort.postMessage(String(await pair.receive()))
       await pair.close()`,
    )
    expect(await once(worker, 'message')).toEqual(['hello!'])
  })

  test('turns away a socket of a type that does not go with ours', async () => {
    const endpoint = name()
    const reply = socket(new Reply())
    await reply.bind(endpoint)
    const refused = new Promise<{ error: Error }>((resolve) => reply.events.on('handshake:error:protocol', resolve))
    thread(endpoint, `new zmq.Subscriber().connect(endpoint)`)
    expect((await refused).error.message).toContain('SUB')
  })

  test('is no matter for sockets of the same thread, which are joined directly', async () => {
    const endpoint = name()
    const [one, two] = [socket(new Pair({ receiveTimeout: 10_000 })), socket(new Pair())]
    one.connect(endpoint)
    await two.bind(endpoint)
    await two.send('hello')
    expect(String(await one.receive())).toBe('hello')
  })
})
