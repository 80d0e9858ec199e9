/** Plain text between our Sender and Receiver and Python's, over REQ/REP and PUB/SUB. */

import { describe, expect, it } from 'vitest'
import { Receiver, RemoteError } from '../../../src/index.ts'
import { until } from '../../helpers/sockets.ts'
import { Echo, Remember } from './commands.ts'
import { LOCAL, useEnds } from './ends.ts'
import { FREE, type PythonObject, python } from './python-process.ts'

const ends = useEnds()

const TEXTS = ['', 'text', 'é漢字😀', '\0', '\ufefftext', '{"status_code": 400}', 'x'.repeat(1 << 20), 'zmq_sub_heartbeat ']

describe.skipIf(!python.available)('a Python sender and our receiver', () => {
  it('over REQ/REP: every text arrives and is acknowledged', async () => {
    const receiver = await ends.receiver({ rep: LOCAL })
    const sender = await ends.python.make('ZmqSender', { zmq_req_endpoints: receiver.endpoints })
    for (const text of TEXTS) {
      expect(await sender.send(JSON.stringify(text))).toMatchObject({ value: [null] })
      expect(receiver.lastReceivedMessage).toBe(text)
    }
  })

  it('over REQ/REP: the sender hears what the receiver returns or throws', async () => {
    class Shouting extends Receiver {
      override handleIncomingMessage(text: string): unknown {
        if (text === 'no') throw new Error('I will not')
        return { shouted: text.toUpperCase() }
      }
    }
    const receiver = new Shouting({ rep: LOCAL })
    ends.defer(() => receiver.stop())
    await receiver.start()
    const sender = await ends.python.make('ZmqSender', { zmq_req_endpoints: receiver.endpoints })
    expect(await sender.send('"hello"')).toMatchObject({ value: [{ shouted: 'HELLO' }] })
    expect(await sender.send('"no"')).toMatchObject({ error: 'Exception raised when calling service Shouting. Exception: I will not ' })
    expect(await sender.send('"again"')).toMatchObject({ value: [{ shouted: 'AGAIN' }] })
  })

  it('over REQ/REP to several receivers: each gets the message', async () => {
    const receivers = await Promise.all([ends.receiver({ rep: LOCAL }), ends.receiver({ rep: [LOCAL, LOCAL] })])
    const endpoints = receivers.flatMap((receiver) => receiver.endpoints)
    const sender = await ends.python.make('ZmqSender', { zmq_req_endpoints: endpoints })
    expect(await sender.send('"to all"')).toMatchObject({ value: [null, null, null] })
    expect(receivers.map((receiver) => receiver.lastReceivedMessage)).toEqual(['to all', 'to all'])
  })

  it('over PUB/SUB, from several publishers: all texts arrive, heartbeats are no messages', async () => {
    const senders = await Promise.all([1, 2, 3].map(() => ends.python.make('ZmqSender', { zmq_pub_endpoint: FREE })))
    const heard = new Set<string>()
    class Listening extends Receiver {
      override handleIncomingMessage(text: string): void {
        heard.add(text)
      }
    }
    const receiver = new Listening({ sub: senders.map((sender) => sender.endpoint) })
    ends.defer(() => receiver.stop())
    await receiver.start()
    for (const [index, sender] of senders.entries()) await untilHeard(sender, () => heard.has(`probe ${index}`), `probe ${index}`)
    for (const [index, sender] of senders.entries()) {
      for (const text of TEXTS) await sender.send(JSON.stringify(`${index} ${text}`))
      await sender.call('send_heartbeat')
      await sender.send(`"last ${index}"`)
      await until(() => heard.has(`last ${index}`), 'the last text arrives')
    }
    for (const index of senders.keys()) for (const text of TEXTS) expect(heard).toContain(`${index} ${text}`)
    expect(heard).not.toContain('zmq_sub_heartbeat')
    expect(receiver.lastReceivedMessage).toBe('last 2')
  })

  it('over both at once: one send reaches both', async () => {
    const requests = await ends.receiver({ rep: LOCAL })
    const sender = await ends.python.make('ZmqSender', { zmq_req_endpoints: requests.endpoints, zmq_pub_endpoint: FREE })
    const listener = await ends.receiver({ sub: sender.endpoint })
    await untilHeard(sender, () => listener.lastReceivedMessage === 'probe', 'probe')
    expect(await sender.send('"both"')).toMatchObject({ value: [null] })
    expect(requests.lastReceivedMessage).toBe('both')
    await until(() => listener.lastReceivedMessage === 'both', 'the subscriber hears it')
  })
})

describe.skipIf(!python.available)('our sender and a Python receiver', () => {
  it('over REQ/REP: every text arrives and is acknowledged', async () => {
    const receiver = await ends.python.make('ZmqReceiverThread', { zmq_rep_bind_address: FREE })
    const sender = ends.sender({ req: receiver.endpoint })
    for (const text of TEXTS) {
      expect(await sender.send(text)).toBeUndefined()
      expect(await receiver.lastMessage()).toBe(text)
    }
  })

  it('over PUB/SUB: one receiver hears several of ours, and heartbeats are no messages', async () => {
    const senders = [1, 2, 3].map(() => ends.sender({ pub: LOCAL }))
    await Promise.all(senders.map((sender) => sender.ready()))
    const receiver = await ends.python.make('ZmqReceiverThread', {
      zmq_sub_connect_addresses: senders.map((sender, index) => (index === 0 ? [sender.publishEndpoint, 60] : sender.publishEndpoint)),
    })
    for (const sender of senders) await sender.ready({ subscribers: 1 })
    for (const sender of senders) {
      for (const text of TEXTS) {
        await sender.send(text)
        await sender.sendHeartbeat()
        await until(async () => (await receiver.lastMessage()) === text, 'the receiver hears it')
      }
    }
  })

  it('over PUB/SUB: 20,000 messages at once all arrive, in order', async () => {
    const client = ends.client({ pub: LOCAL })
    await client.ready()
    const server = await ends.python.server({ zmq_sub_connect_addresses: [client.publishEndpoint] })
    await client.ready({ subscribers: 1 })
    const numbers = Array.from({ length: 20_000 }, (_, index) => index)
    await Promise.all(numbers.map((number) => client.publish(new Remember(number))))
    await until(async () => (await server.remembered()).length >= numbers.length, 'all arrive')
    expect(await server.remembered()).toEqual(numbers)
  })

  it('over both at once: one send reaches both', async () => {
    const requests = await ends.python.make('ZmqReceiverThread', { zmq_rep_bind_address: FREE })
    const sender = ends.sender({ req: requests.endpoint, pub: LOCAL })
    await sender.ready()
    const listener = await ends.python.make('ZmqReceiverThread', { zmq_sub_connect_addresses: [sender.publishEndpoint] })
    await sender.ready({ subscribers: 1 })
    await sender.send('both')
    expect(await requests.lastMessage()).toBe('both')
    await until(async () => (await listener.lastMessage()) === 'both', 'the subscriber hears it')
  })

  it('heartbeats go to listeners alone: a Python REP would be stuck after one', async () => {
    const receiver = await ends.python.make('ZmqReceiverThread', { zmq_rep_bind_address: FREE })
    const sender = ends.sender({ req: receiver.endpoint, pub: LOCAL, heartbeatIntervalMs: 5 })
    await sender.ready()
    const listener = await ends.receiver({ sub: sender.publishEndpoint ?? '' })
    await sender.ready({ subscribers: 1 })
    for (let round = 0; round < 20; round++) {
      await sender.sendHeartbeat()
      await sender.send(`round ${round}`)
      expect(await receiver.lastMessage()).toBe(`round ${round}`)
    }
    await until(() => listener.lastReceivedMessage === 'round 19', 'the listener hears it')
  })

  it('the text of a heartbeat is not sent to a receiver, which may be stuck after it', async () => {
    const receiver = await ends.python.make('ZmqReceiverThread', { zmq_rep_bind_address: FREE })
    const sender = ends.sender({ req: receiver.endpoint })
    await expect(sender.send('zmq_sub_heartbeat')).rejects.toMatchObject({ code: 'BAD_COMMAND' })
    await sender.send('after')
    expect(await receiver.lastMessage()).toBe('after')
  })

  it('a receiver that is no RPC server answers a command with 200 and nothing', async () => {
    const receiver = await ends.python.make('ZmqReceiverThread', { zmq_rep_bind_address: FREE })
    expect(await ends.client({ req: receiver.endpoint }).execute(new Echo(1))).toBeUndefined()
  })

  it('an RPC server answers text with 400', async () => {
    const server = await ends.python.server()
    const sender = ends.sender({ req: server.endpoint })
    const error = await sender.send('text').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(RemoteError)
    expect(error).toMatchObject({ status: 400, statusText: expect.stringMatching(/Could not decode\/unzip the contents$/) })
  })
})

/** A PUB cannot tell who listens: it sends until it is heard. */
async function untilHeard(sender: PythonObject, heard: () => boolean, text: string): Promise<void> {
  await until(async () => {
    await sender.send(JSON.stringify(text))
    return heard()
  }, 'the subscriber hears the publisher')
}
