/** PAIR: one peer, and what becomes of a second. */

import { describe, expect, it } from 'vitest'
import { Pair } from '../../../src/socket/index.ts'
import { event, link, outcome, TRANSPORTS, texts, until, useSockets } from '../../helpers/sockets.ts'

describe.each(TRANSPORTS)('PAIR over $name', ({ endpoint }) => {
  const use = useSockets()

  it('turns a second peer away, and takes it when the first has left', async () => {
    const [bound, first, second] = [use.open(Pair), use.open(Pair), use.open(Pair, { reconnectInterval: 5 })]
    const address = await link(bound, first, endpoint())
    await first.send('from the first')
    expect(texts(await bound.receive())).toEqual(['from the first'])
    const away = event(bound, 'disconnect')
    second.connect(address)
    expect((await away).error).toMatchObject({ code: 'EBUSY' })
    await bound.send('for the first')
    expect(texts(await first.receive())).toEqual(['for the first'])
    await first.close()
    let heard = ''
    void bound.receive().then(([body]) => {
      heard = String(body)
    })
    await until(async () => {
      if (heard === '') await second.send('from the second')
      return heard !== ''
    }, 'the second is heard')
    expect(heard).toBe('from the second')
  })

  it('connected twice, goes over to the second peer when the first is disconnected, with what is sent meanwhile', async () => {
    const pair = use.open(Pair, { reconnectInterval: 5 })
    const [first, second, third] = [use.open(Pair), use.open(Pair), use.open(Pair)]
    for (const other of [first, second, third]) {
      await other.bind(endpoint())
      pair.connect(other.lastEndpoint as string)
    }
    for (const other of [first, second, third]) {
      await pair.send('one')
      expect(texts(await other.receive())).toEqual(['one'])
      pair.disconnect(other.lastEndpoint as string)
      if (other === third) break
      await pair.send('two')
      const next = other === first ? second : third
      expect(texts(await next.receive())).toEqual(['two'])
      await next.send('three')
      expect(texts(await pair.receive())).toEqual(['three'])
    }
  })

  it('connected twice with immediate, goes over to the second peer when the first is gone', async () => {
    const pair = use.open(Pair, { reconnectInterval: 5, immediate: true })
    const [first, second] = [use.open(Pair), use.open(Pair)]
    await first.bind(endpoint())
    const gone = first.lastEndpoint as string
    pair.connect(gone)
    await first.send('1')
    await pair.receive()
    await second.bind(endpoint())
    pair.connect(second.lastEndpoint as string)
    const lost = new Promise<void>((resolve) => pair.events.on('disconnect', ({ address }) => address === gone && resolve()))
    await first.close()
    await lost
    await pair.send('2')
    expect(texts(await second.receive())).toEqual(['2'])
  })

  it('waits while it is alone', async () => {
    const pair = use.open(Pair, { sendTimeout: 0 })
    await pair.bind(endpoint())
    expect(await outcome(pair.send('x'))).toBe('EAGAIN')
  })
})
