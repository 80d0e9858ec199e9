/** What `zmq-rpc serve` serves in the tests of the command line. */

import { Command, ServiceError } from 'zmq-rpc'

export class Greet extends Command {
  static description = 'Greets somebody by name'
  name = 'you'
}

export class Echo extends Command {
  value = null
}

export class WhoAmI extends Command {}

/** Numbers from 1, for ever or up to `most`. */
export class Numbers extends Command {
  most = Number.POSITIVE_INFINITY
}

export class Sum extends Command {
  /** @type {Iterable<number>} */
  numbers = []
}

export class Fail extends Command {
  text = 'no paper'
}

export class Hang extends Command {}

export class Values extends Command {}

class OutOfPaper extends ServiceError {}

/** @param {import('zmq-rpc').RpcServer} server */
// biome-ignore lint/style/noDefaultExport: that is what `serve` loads
export default (server) => {
  server.register(Greet, ({ name }, { metadata, replyMetadata }) => {
    replyMetadata['seen'] = 'yes'
    return metadata['language'] === 'de' ? `Hallo ${name}` : `Hello ${name}`
  })
  server.register(Echo, ({ value }) => value)
  server.register(WhoAmI, (_, { principal }) => principal?.username)
  server.register(Numbers, async function* ({ most }) {
    try {
      for (let n = 1; n <= most; n++) {
        yield n
        if (most === Number.POSITIVE_INFINITY) await new Promise((resolve) => setTimeout(resolve, 5))
      }
    } finally {
      console.error('no more numbers')
    }
  })
  server.register(Sum, async ({ numbers }) => {
    let sum = 0
    for await (const number of numbers) sum += number
    return sum
  })
  server.register(Fail, ({ text }) => {
    throw new OutOfPaper(text, { details: { tray: 2 } })
  })
  server.register(Hang, (_, { signal }) => {
    console.error('hanging')
    signal.addEventListener('abort', () => console.error('given up'))
    return new Promise(() => {})
  })
  server.register(Values, () => ({
    large: 12345678901234567890n,
    bytes: Buffer.from('hi'),
    date: new Date(0),
    nothing: undefined,
    rows: (async function* () {
      yield { row: 1 }
      yield { row: 2 }
    })(),
  }))
}
