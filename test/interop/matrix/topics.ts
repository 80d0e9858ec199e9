/** PUB and SUB: who gets what. */

import { describe, expect, it } from 'vitest'
import { texts, until } from '../../helpers/sockets.ts'
import type { Bench } from './under-test.ts'

/** libzmq has had trouble with lengths around 250. */
const LENGTHS = [1, 245, 246, 249, 250, 254, 255, 256, 300]
const NOBODYS = 'c nothing for you'

interface Publishing {
  send(message: string[]): Promise<void>
}
interface Listening {
  receive(): Promise<Buffer[]>
}

export function topics(bench: Bench): void {
  const { under } = bench
  const binary = [Buffer.from([0]), Buffer.from([1, 0xff]), Buffer.from([0xc3, 0x28])]

  for (const peerBinds of [true, false]) {
    describe(peerBinds ? 'the peer binds' : 'ours binds', () => {
      it('our SUB gets what it subscribed to, and no more after it has cancelled', async () => {
        const { my, their } = await bench.link(['Subscriber'], ['Publisher'], { peerBinds })
        my.subscribe('a', 'b')
        await untilHeard(their, my, 'a')
        await untilHeard(their, my, 'b')
        my.unsubscribe('a')
        // Sent in the same order as it comes, but another message may be under way.
        expect(await heard(their, my, ['a 1', 'b 1'], 'b 1')).not.toContain(NOBODYS)
        expect(await heard(their, my, ['a 2', 'b 2'], 'b 2')).toEqual(['b 2'])
      })

      it('our PUB sends what the peer subscribed to, and no more after it has cancelled', async () => {
        const { my, their } = await bench.link(['XPublisher'], ['Subscriber'], { peerBinds, ready: true })
        await their.subscribe('a', 'b')
        expect([String((await my.receive())[0]), String((await my.receive())[0])].sort()).toEqual(['\x01a', '\x01b'])
        expect(await heard(my, their, ['a 1', 'b 1'], 'b 1')).toEqual(['a 1', 'b 1'])
        await their.unsubscribe('a')
        expect(String((await my.receive())[0])).toBe('\x00a')
        expect(await heard(my, their, ['a 2', 'b 2'], 'b 2')).toEqual(['b 2'])
      })

      it('topics of any length arrive, of ours and of the peer', async () => {
        const one = await bench.link(['Subscriber'], ['Publisher'], { peerBinds })
        const other = await bench.link(['XPublisher'], ['Subscriber'], { peerBinds, ready: true })
        for (const length of LENGTHS) {
          const topic = `${length}`.padEnd(length, 't')
          one.my.subscribe(topic)
          await untilHeard(one.their, one.my, topic)
          await other.their.subscribe(topic)
          expect(String((await other.my.receive())[0])).toBe(`\x01${topic}`)
        }
      })

      if (under.textTopics === undefined) {
        it('topics of any bytes arrive', async () => {
          const { my, their } = await bench.link(['XPublisher'], ['Subscriber'], { peerBinds, ready: true })
          for (const topic of binary) {
            await their.subscribe(topic)
            expect((await my.receive())[0]).toEqual(Buffer.concat([Buffer.from([1]), topic]))
            await my.send(topic)
            expect(await their.receive()).toEqual([topic])
          }
        })
      }
    })
  }

  if (under.textTopics !== undefined) {
    it('topics have to be text for the peer', async () => {
      const their = bench.their('Subscriber')
      for (const topic of binary.slice(1)) await expect(their.subscribe(topic)).rejects.toThrow('utf-8')
    })
  }
}

/** Until the subscription, which is on its way, is there. */
async function untilHeard(publisher: Publishing, subscriber: Listening, topic: string): Promise<void> {
  let came = false
  const coming = subscriber.receive().then(() => {
    came = true
  })
  coming.catch(() => {})
  await until(
    async () => {
      await publisher.send([topic])
      return came
    },
    `hearing ${topic.slice(0, 20)}`,
  )
  await coming
  // What was sent too often.
  await heard(publisher, subscriber, [`${topic} last`], `${topic} last`)
}

/** What comes of these messages, up to one of them. */
async function heard(publisher: Publishing, subscriber: Listening, messages: string[], last: string): Promise<string[]> {
  for (const message of [NOBODYS, ...messages]) await publisher.send([message])
  const got: string[] = []
  while (got.at(-1) !== last) got.push(...texts(await subscriber.receive()))
  return got
}
