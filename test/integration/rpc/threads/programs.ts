/** A module for `startThread`: what its `data` asks for. */

import { Receiver, RpcClient, RpcProxy, RpcServer } from '../../../../src/index.ts'
import { Greet } from './more-commands.ts'

export interface Orders {
  readonly what:
    | 'server'
    | 'proxy'
    | 'receiver'
    | 'nothing'
    | 'client and server'
    | 'never stops'
    | 'blocks'
    | 'throws'
    | 'crashes'
    | 'exits'
  readonly req?: string
  /** Becomes 1 just before it blocks. */
  readonly blocked?: SharedArrayBuffer
}

const LOCAL = 'tcp://127.0.0.1:0'

async function server(allowShutdown = false): Promise<RpcServer> {
  const made = new RpcServer({ rep: LOCAL, allowShutdown })
  made.register(Greet, ({ name }) => `Hello ${name}`)
  await made.start()
  return made
}

async function run({ what, req = '', blocked = new SharedArrayBuffer(4) }: Orders): Promise<object | undefined> {
  switch (what) {
    case 'server':
      return server(true)
    case 'proxy': {
      const proxy = new RpcProxy({ rep: LOCAL, req })
      await proxy.start()
      return proxy
    }
    case 'receiver': {
      const receiver = new Receiver({ rep: LOCAL })
      await receiver.start()
      return receiver
    }
    case 'client and server': {
      const inner = await server()
      return [inner, new RpcClient({ req: inner.endpoints })]
    }
    case 'never stops':
      setInterval(() => {}, 1000)
      return { stop: () => new Promise(() => {}) }
    case 'blocks':
      setTimeout(() => {
        Atomics.store(new Int32Array(blocked), 0, 1)
        for (;;);
      }, 20)
      return undefined
    case 'throws':
      throw new RangeError('too far')
    case 'crashes':
      setTimeout(() => {
        throw new TypeError('boom')
      }, 20)
      return undefined
    case 'exits':
      setTimeout(() => process.exit(3), 20)
      return undefined
    case 'nothing':
      return undefined
  }
}

export default run
