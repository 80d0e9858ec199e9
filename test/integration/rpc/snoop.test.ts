import { describe, expect, it } from 'vitest'
import { OpaqueCommand, type Overheard, Sender, Snoop, ZmqRpcError } from '../../../src/index.ts'
import { Publisher } from '../../../src/socket/index.ts'
import { DIALECTS, until, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

describe.each(DIALECTS)('a Snoop of what is published in the %s dialect', (dialect) => {
  it('hears commands whose classes it does not know, within each other, too', async () => {
    const publisher = rpc.client({ pub: 'tcp://127.0.0.1:0', dialect: dialect === 'native' ? 'auto' : dialect })
    await publisher.ready()
    const heard: Overheard[] = []
    await using snoop = new Snoop({ sub: publisher.publishEndpoint as string }, (message) => heard.push(message))
    await snoop.start()
    await publisher.ready({ subscribers: 1 })
    const inner = new OpaqueCommand('Person', { name: 'Ada', id: 2n ** 70n })
    await publisher.publish(new OpaqueCommand('Team', { members: [inner] }))
    await publisher.sendHeartbeat()
    await publisher.publish(new OpaqueCommand('Team', {}))
    await until(() => heard.length === 3, 'all is heard')
    const peer = { endpoint: publisher.publishEndpoint, remoteAddress: expect.stringContaining('tcp://'), kind: 'pub' }
    expect(heard).toEqual([
      { kind: 'command', name: 'Team', state: { members: [inner] }, dialect, metadata: {}, peer },
      { kind: 'heartbeat', peer },
      { kind: 'command', name: 'Team', state: {}, dialect, metadata: {}, peer },
    ])
    expect((heard[0] as { state: { members: OpaqueCommand[] } }).state.members[0]).toBeInstanceOf(OpaqueCommand)
  })
})

describe('a Snoop', () => {
  it('hears texts, and what nobody can read', async () => {
    const publisher = new Publisher()
    await publisher.bind('tcp://127.0.0.1:0')
    const heard: Overheard[] = []
    await using snoop = new Snoop({ sub: publisher.lastEndpoint as string }, (message) => heard.push(message))
    await snoop.start()
    await until(async () => {
      await publisher.send('are you there?')
      return heard.length > 0
    }, 'it listens')
    heard.length = 0
    await publisher.send('lights off')
    await publisher.send(Buffer.from([0xff, 0xfe]))
    await publisher.send(['two', 'frames'])
    await until(() => heard.filter(({ kind }) => kind === 'unreadable').length === 2, 'all is heard')
    expect(heard.at(-3)).toMatchObject({ kind: 'text', text: 'lights off' })
    expect(heard.at(-2)).toMatchObject({ kind: 'unreadable', frames: [Buffer.from([0xff, 0xfe])] })
    expect(heard.at(-1)).toMatchObject({ kind: 'unreadable', frames: [Buffer.from('two'), Buffer.from('frames')] })
    await publisher.close()
  })

  it('tells what its listener throws, and listens on', async () => {
    const failures = rpc.hear('zmq-rpc:service:failed')
    await using publisher = new Sender({ pub: 'tcp://127.0.0.1:0' })
    await publisher.ready()
    let heard = 0
    await using snoop = new Snoop({ sub: publisher.publishEndpoint as string }, ({ kind }) => {
      heard++
      throw new Error(`no ${kind}`)
    })
    await snoop.start()
    await publisher.ready({ subscribers: 1 })
    await publisher.send('a')
    await publisher.sendHeartbeat()
    await publisher.send('b')
    await until(() => heard === 3 && failures.events.length === 3, 'all is heard')
    expect(failures.events.map(({ command }) => command).sort()).toEqual(['(heartbeat)', '(text)', '(text)'])
  })

  it('does not read a publisher while its listener is busy, and keeps the order', async () => {
    await using publisher = new Sender({ pub: 'tcp://127.0.0.1:0' })
    await publisher.ready()
    const heard: string[] = []
    let busy = 0
    await using snoop = new Snoop({ sub: publisher.publishEndpoint as string }, async (message) => {
      expect(++busy).toBe(1)
      await new Promise((resolve) => setImmediate(resolve))
      if (message.kind === 'text') heard.push(message.text)
      busy--
    })
    await snoop.start()
    await publisher.ready({ subscribers: 1 })
    const texts = Array.from({ length: 200 }, (_, n) => `text ${n}`)
    for (const text of texts) await publisher.send(text)
    await until(() => heard.length === texts.length, 'all is heard')
    expect(heard).toEqual(texts)
  })

  it('refuses options that there are not, and a listener that is none', () => {
    expect(() => new Snoop({ sub: 'tcp://127.0.0.1:1', rep: 'x' } as never, () => {})).toThrow(ZmqRpcError)
    expect(() => new Snoop({ sub: 'tcp://127.0.0.1:1' }, 'x' as never)).toThrow(ZmqRpcError)
    expect(() => new Snoop({ sub: 'nonsense' }, () => {})).toThrow(ZmqRpcError)
  })
})
