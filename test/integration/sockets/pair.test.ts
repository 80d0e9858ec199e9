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

  it('waits while it is alone', async () => {
    const pair = use.open(Pair, { sendTimeout: 0 })
    await pair.bind(endpoint())
    expect(await outcome(pair.send('x'))).toBe('EAGAIN')
  })
})
