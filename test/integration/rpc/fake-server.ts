import { Router } from '../../../src/socket/index.ts'
import type { Rpc } from '../../helpers/rpc.ts'

/** A server of our own words: `answer` makes the frames behind the envelope, or says nothing. */
export async function fakeServer(rpc: Rpc, answer: (body: Buffer[], envelope: Buffer[]) => Buffer[] | undefined): Promise<string> {
  const router = new Router({ linger: 0 })
  rpc.defer(() => router.close())
  await router.bind('tcp://127.0.0.1:0')
  void (async () => {
    for await (const [id, ...message] of router) {
      const empty = message.findIndex((frame) => frame.length === 0)
      const envelope = message.slice(0, empty + 1)
      const reply = answer(message.slice(empty + 1), envelope)
      if (reply !== undefined) await router.send([id as Buffer, ...reply])
    }
  })()
  return router.lastEndpoint as string
}
