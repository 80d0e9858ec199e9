/** Uses everything, closes everything, and then has nothing more to do: the process must end. */

import { Command, Receiver, RpcClient, RpcServer, Sender } from '../../../../src/index.ts'

class Count extends Command<number> {
  n = 0
}

const never = (): Promise<never> => new Promise(() => {})

const pub = new RpcClient({ pub: 'tcp://127.0.0.1:0', heartbeatIntervalMs: 10 })
await pub.ready()
const sub = pub.publishEndpoint as string
const server = new RpcServer({ rep: ['tcp://127.0.0.1:0', 'inproc://here'], sub: [sub, 'tcp://127.0.0.1:1'] })
server.register(Count, ({ n }) => (n === 0 ? never() : n))
await server.start()
const receiver = new Receiver({ rep: 'tcp://127.0.0.1:0', sub })
await receiver.start()
await pub.ready({ subscribers: 2 })
const client = new RpcClient({ req: [...server.endpoints, 'tcp://127.0.0.1:1'] })
const sender = new Sender({ req: receiver.endpoints, pub: 'ipc://*' })
await sender.send('text')
await client.execute(Object.assign(new Count(), { n: 1 }))
await pub.publish(Object.assign(new Count(), { n: 1 }))
const pending = [client.execute(new Count()), client.ready(), pub.ready({ subscribers: 9 }), sender.ready({ subscribers: 1 })]
const failures = Promise.allSettled(pending)
await Promise.all([client.close(), sender.close(), pub.close(), server.stop({ drainMs: 50 }), receiver.stop()])
const codes = (await failures).map((settled) => (settled.status === 'rejected' ? settled.reason.code : settled.status))
process.stdout.write(`${codes.join(' ')}\n`)
