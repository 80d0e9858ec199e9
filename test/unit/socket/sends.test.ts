import { describe, expect, it } from 'vitest'
import type { SendOptions } from '../../../src/socket/options.ts'
import type { Pattern } from '../../../src/socket/pattern.ts'
import { Sends } from '../../../src/socket/sends.ts'
import type { Message } from '../../../src/wire/index.ts'
import { frame } from './fake-peer.ts'

const FOR_EVER: SendOptions = { sendHighWaterMark: 1000, sendTimeout: -1 }

/** Sends through a pattern that has room for what `hasRoom` says so. */
function sendsWith(hasRoom: (text: string) => boolean): { sends: Sends; went: string[] } {
  const went: string[] = []
  const send = (message: Message): boolean => {
    const text = String(message[0])
    if (!hasRoom(text)) return false
    went.push(text)
    return true
  }
  return { sends: new Sends({ send } as Pattern), went }
}

describe('sends that wait for room', () => {
  it('those behind one that times out go on at once where there is room for them', async () => {
    const { sends, went } = sendsWith((text) => text !== 'to a full peer')
    const first = sends.send(frame('to a full peer'), { ...FOR_EVER, sendTimeout: 5 })
    const second = sends.send(frame('to another'), FOR_EVER)
    await expect(first).rejects.toMatchObject({ code: 'EAGAIN' })
    await second
    expect(went).toEqual(['to another'])
  })

  it('a socket that is closed while they are sent rejects them, and nothing is thrown', async () => {
    let room = false
    const { sends } = sendsWith(() => {
      if (room) sends.close()
      return room
    })
    const all = Promise.allSettled([sends.send(frame('a'), FOR_EVER), sends.send(frame('b'), FOR_EVER)])
    room = true
    sends.writable()
    expect((await all).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })

  it('room that is told of in the middle of a send sends nothing twice', async () => {
    let room = false
    const { sends, went } = sendsWith(() => {
      if (room) sends.writable()
      return room
    })
    const all = Promise.all(['a', 'b'].map((text) => sends.send(frame(text), FOR_EVER)))
    room = true
    sends.writable()
    await all
    expect(went).toEqual(['a', 'b'])
  })

  it('room that is told of while a send is refused is used', async () => {
    let room = false
    const { sends, went } = sendsWith(() => {
      const had = room
      room = true
      if (!had) sends.writable()
      return had
    })
    await sends.send(frame('a'), FOR_EVER)
    room = false
    await sends.sendMany([frame('b'), frame('c')], FOR_EVER)
    expect(went).toEqual(['a', 'b', 'c'])
  })
})
