import { describe, expect, it } from 'vitest'
import { TextRequest } from '../../../../src/rpc/client/request.ts'
import { RequestLink } from '../../../../src/rpc/client/request-link.ts'
import { Deadlines } from '../../../../src/rpc/deadlines.ts'
import { encodeReply } from '../../../../src/rpc/dialect/pyzmqrpc3.ts'
import { Router } from '../../../../src/socket/index.ts'

const REPLY = encodeReply({ status: 200, statusText: 'OK', result: 'yes' })

describe('correlation ids', () => {
  it("start again after the last, and leave out zero, which is the connection's own", async () => {
    const router = new Router({ linger: 0 })
    await router.bind('tcp://127.0.0.1:0')
    const options = { security: {}, maxQueued: 100, maxMessageBytes: 1e6, firstId: 0xffff_fffe }
    const link = new RequestLink(router.lastEndpoint as string, options, new Deadlines())
    await link.whenConnected(5000)
    const settings = { timeoutMs: 5000, signal: undefined }
    const call = async (): Promise<{ id: number; answer(): Promise<void>; reply: Promise<unknown> }> => {
      const reply = link.call(new TextRequest(Buffer.from('body')), settings)
      const [peer, id] = (await router.receive()) as [Buffer, Buffer]
      return { id: id.readUInt32BE(0), reply, answer: () => router.send([peer, id, '', REPLY]) }
    }
    const first = await call()
    const second = await call()
    const third = await call()
    expect([first.id, second.id, third.id]).toEqual([0xffff_fffe, 0xffff_ffff, 1])
    for (const one of [third, first, second]) {
      await one.answer()
      expect(await one.reply).toBe('yes')
    }
    expect(link.callCount).toBe(0)
    await Promise.all([link.close(), router.close()])
  })
})
