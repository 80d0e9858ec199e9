/**
 * Calls without end on a network that breaks all the time: servers crash, freeze and restart, links are cut with and without a
 * word. Virtual time: hours of it take minutes, and a seed takes the same course again.
 *
 * Each call must end once, in its time, with its result or an error that is named; no command is ever executed twice, and one
 * whose error says that it was not sent never; what is published comes in order, and once. In the end nothing may be left.
 */

/** @typedef {typeof import('zmq-rpc')} Rpc */
/** @typedef {typeof import('zmq-rpc/testing')} Testing */
/** @typedef {import('zmq-rpc/testing').TestNetwork} TestNetwork */
/** @typedef {{ calls: number, seed: number, servers?: number, clients?: number, workers?: number }} Options */

/** Deadlines are met to within the grain of the clients' clock. */
const LATE_MS = 20
const PORT = 30000
const NEWS_PORT = 31000

/**
 * @param {Rpc} rpc the package to try
 * @param {Testing} testing
 * @param {Options} options
 */
export function soak(rpc, testing, options) {
  const { seed } = options
  const conditions = {
    seed,
    latencyMs: 2,
    jitterMs: 5,
    chunking: seed % 2 === 0 ? /** @type {const} */ ('random') : /** @type {const} */ ('whole'),
  }
  return testing.simulate((network) => live(network, rpc, options), { ...conditions, limitMs: Number.POSITIVE_INFINITY })
}

/** @param {TestNetwork} network @param {Rpc} rpc @param {Options} options */
async function live(network, rpc, { calls, servers = 3, clients = 4, workers = 10 }) {
  const { Command, RpcClient, RpcServer, ZmqRpcError, RemoteError } = rpc

  class Add extends Command {
    static commandName = 'Add'
    /** @param {number} call @param {number} a @param {number} b */
    constructor(call = 0, a = 0, b = 0) {
      super()
      this.call = call
      this.a = a
      this.b = b
    }
  }
  class Wait extends Add {
    /** @override */
    static commandName = 'Wait'
  }
  class Fail extends Add {
    /** @override */
    static commandName = 'Fail'
  }
  class News extends Command {
    static commandName = 'News'
    number = 0
  }

  const began = process.cpuUsage()
  /** @type {string[]} */
  const complaints = []
  /** How often each command was executed. */
  const executed = new Uint8Array(calls)
  /** Those whose caller was told that they are not. */
  const unsent = new Uint8Array(calls)
  /** @type {Record<string, number>} */
  const outcomes = {}
  let [started, ended, heard] = [0, 0, 0]

  /** @param {string} text */
  const complain = (text) => {
    if (complaints.length < 20) complaints.push(`${network.time.now.toFixed(1)} ms: ${text}`)
  }
  /** @param {string} what */
  const count = (what) => {
    outcomes[what] = (outcomes[what] ?? 0) + 1
  }
  /** @param {number} ms */
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

  /** @param {Add} command */
  const execute = ({ call, a, b }) => {
    const times = (executed[call] ?? 0) + 1
    executed[call] = times
    if (unsent[call]) complain(`call ${call} is executed, and its caller was told that it was not sent`)
    if (times > 1) complain(`call ${call} is executed for the ${times}th time`)
    return a + b
  }

  async function serve() {
    const sub = Array.from({ length: clients }, (_, index) => `tcp://client${index}:${NEWS_PORT}`)
    const server = new RpcServer({ rep: `tcp://*:${PORT}`, sub })
    /** @type {Map<string, number>} */
    const last = new Map()
    server.register(Add, execute)
    server.register(Wait, async (command) => {
      await sleep(Math.random() * 300)
      return execute(command)
    })
    server.register(Fail, (command) => {
      throw new Error(`sum is ${execute(command)}`)
    })
    server.register(News, ({ number }, { peer }) => {
      heard++
      const before = last.get(peer.endpoint) ?? -1
      if (number <= before) complain(`news ${number} of ${peer.endpoint} came after ${before}`)
      last.set(peer.endpoint, number)
    })
    await server.start()
    return server
  }

  /** @param {InstanceType<typeof RpcClient>} client @param {number} call */
  async function tryCall(client, call) {
    const [a, b] = [Math.floor(Math.random() * 1000), Math.floor(Math.random() * 1000)]
    const kind = Math.random()
    const command = new (kind < 0.8 ? Add : kind < 0.95 ? Wait : Fail)(call, a, b)
    const timeoutMs = 50 + Math.floor(Math.random() * 3000)
    const signal = Math.random() < 0.1 ? AbortSignal.timeout(Math.random() * 1000) : undefined
    const start = network.time.now
    try {
      const sum = await client.execute(command, { timeoutMs, signal })
      if (command instanceof Fail || sum !== a + b) complain(`call ${call} gave ${sum}, not ${a + b}`)
      if (executed[call] !== 1) complain(`call ${call} has a result, and was executed ${executed[call]} times`)
      count('result')
    } catch (error) {
      judge(call, command, a + b, error)
    }
    const late = network.time.now - start - timeoutMs
    if (late > LATE_MS) complain(`call ${call} ended ${late} ms after its time`)
  }

  /** @param {number} call @param {unknown} command @param {number} sum @param {unknown} error */
  function judge(call, command, sum, error) {
    if (!(error instanceof ZmqRpcError)) return complain(`call ${call} ended with ${error}`)
    count(error.code)
    if (error instanceof RemoteError) {
      if (!(command instanceof Fail) || !error.message.includes(`sum is ${sum}`)) complain(`call ${call}: ${error.message}`)
    } else if (!['NOT_CONNECTED', 'QUEUE_FULL', 'TIMED_OUT', 'CONNECTION_LOST', 'ABORTED'].includes(error.code)) {
      complain(`call ${call} ended with ${error.code}: ${error.message}`)
    } else if (error.message.includes('was not sent') || error.message.includes('before it was sent')) {
      unsent[call] = 1
      if (executed[call]) complain(`call ${call} was executed: ${error.message}`)
    } else if (error.code === 'NOT_CONNECTED' || error.code === 'QUEUE_FULL') {
      complain(`call ${call}: it should say that it was not sent: ${error.message}`)
    }
  }

  /** @param {InstanceType<typeof RpcClient>} client */
  async function work(client) {
    while (started < calls) {
      const call = started++
      await tryCall(client, call)
      ended++
      await sleep(Math.random() * 50)
    }
  }

  const hosts = Array.from({ length: servers }, (_, index) => network.host(`server${index}`))
  /** @type {Map<string, InstanceType<typeof RpcServer>>} */
  const running = new Map()
  for (const host of hosts) {
    await host.start(async () => {
      const server = await serve()
      running.set(host.name, server)
    })
  }
  const chaos = network.chaos({
    dropsPerMinute: 20,
    cutsPerMinute: 20,
    silentCutsPerMinute: 20,
    crashesPerMinute: 20,
    freezesPerMinute: 20,
    outageMs: [5, 20_000],
  })
  const req = hosts.map(({ name }) => `tcp://${name}:${PORT}`)
  await Promise.all(
    Array.from({ length: clients }, (_, index) =>
      network.host(`client${index}`).run(async () => {
        const client = new RpcClient({ req, pub: `tcp://*:${NEWS_PORT}`, heartbeatIntervalMs: 5000 })
        let number = 0
        const news = setInterval(() => void client.publish(Object.assign(new News(), { number: number++ })), 500)
        await Promise.all(Array.from({ length: workers }, () => work(client)))
        clearInterval(news)
        await client.close()
      }),
    ),
  )
  chaos.stop()
  Object.assign(outcomes, chaos.counts)
  await sleep(10_000)
  await Promise.all([...running.values()].map((server) => server.stop({ drainMs: 0 })))
  await sleep(10_000)

  if (ended !== calls) complain(`${ended} of ${calls} calls have ended`)
  if (heard === 0) complain('no news was heard')
  if (network.openEnds > 0) complain(`${network.openEnds} ends of connections are open`)
  if (network.boundEndpoints.length > 0) complain(`${network.boundEndpoints} are bound`)
  if (network.pending.length > 0) complain(`pending: ${JSON.stringify(network.pending.slice(0, 5))}`)
  const { user, system } = process.cpuUsage(began)
  return { complaints, outcomes, heard, virtualMs: network.time.now, cpuMs: (user + system) / 1000 }
}
