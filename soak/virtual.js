/**
 * Calls without end on a network that breaks all the time: servers crash, freeze and restart, links are cut with and without a
 * word. Virtual time: hours of it take minutes, and a seed takes the same course again.
 *
 * Each call must end once, in its time, with its result or an error that is named. No command is executed twice that may not be;
 * none whose error says that it was not started; each whose error says that it was. Streams come in order, and whole where they end
 * well. What is published comes in order, and once. In the end nothing may be left.
 */

/** @typedef {typeof import('zmq-rpc')} Rpc */
/** @typedef {typeof import('zmq-rpc/testing')} Testing */
/** @typedef {import('zmq-rpc/testing').TestNetwork} TestNetwork */
/** @typedef {{ calls: number, seed: number, servers?: number, clients?: number, workers?: number }} Options */

/** Deadlines are met to within the grain of the clients' clock. */
const LATE_MS = 20
/** A stream that nothing is heard of any more ends when the heartbeats say so. */
const STREAM_MS = 60_000
const PORT = 30000
const NEWS_PORT = 31000

/** What may happen to a call on such a network. */
const EXPECTED = ['NOT_CONNECTED', 'QUEUE_FULL', 'TIMED_OUT', 'CONNECTION_LOST', 'ABORTED', 'EXPIRED']

/**
 * Each client has its own way.
 *
 * @type {Pick<import('zmq-rpc').RpcClientOptions, 'retry' | 'hedge' | 'dialect'>[]}
 */
const WAYS = [{ retry: false }, {}, { hedge: { delayMs: 100 } }, { dialect: 'pyzmqrpc3' }]

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
  const { Command, RpcClient, RpcServer, ZmqRpcError } = rpc

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
  class Find extends Add {
    /** @override */
    static commandName = 'Find'
    static idempotent = true
  }
  class Count extends Add {
    /** @override */
    static commandName = 'Count'
  }
  class Sum extends Add {
    /** @override */
    static commandName = 'Sum'
    numbers = (async function* () {})()
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
  /** Those that may be more than once. */
  const repeatable = new Uint8Array(calls)
  /** Those whose caller was told that they were not. */
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
  /** @param {number} limit */
  const below = (limit) => Math.floor(Math.random() * limit)

  /** @param {Add} command */
  const execute = ({ call, a, b }) => {
    const times = (executed[call] ?? 0) + 1
    executed[call] = times
    if (unsent[call]) complain(`call ${call} is executed, and its caller was told that it would not be`)
    if (times > 1 && !repeatable[call]) complain(`call ${call} is executed for the ${times}th time`)
    return a + b
  }

  async function serve() {
    const sub = Array.from({ length: clients }, (_, index) => `tcp://client${index}:${NEWS_PORT}`)
    const server = new RpcServer({ rep: `tcp://*:${PORT}`, sub })
    const open = { streams: 0 }
    /** @type {Map<string, number>} */
    const last = new Map()
    for (const quick of [Add, Find]) server.register(quick, execute)
    server.register(Wait, async (command) => {
      await sleep(below(300))
      return execute(command)
    })
    server.register(Fail, (command) => {
      throw new Error(`sum is ${execute(command)}`)
    })
    server.register(Count, async function* (command) {
      open.streams++
      try {
        const sum = execute(command)
        for (let n = 0; n < sum; n++) {
          if (n % 10 === 0) await sleep(below(20))
          yield n
        }
      } finally {
        open.streams--
      }
    })
    server.register(Sum, async (command) => {
      const expected = execute(command)
      let sum = 0
      open.streams++
      try {
        for await (const n of command.numbers) sum += n
      } finally {
        open.streams--
      }
      return sum === expected ? sum : `the stream gave ${sum}`
    })
    server.register(News, ({ number }, { peer }) => {
      heard++
      const before = last.get(peer.endpoint) ?? -1
      if (number <= before) complain(`news ${number} of ${peer.endpoint} came after ${before}`)
      last.set(peer.endpoint, number)
    })
    await server.start()
    return { server, open }
  }

  /** @param {(typeof WAYS)[number]} way @param {number} call */
  function someCommand(way, call) {
    const streams = way.dialect === undefined
    const [a, b, kind] = [below(100), below(100), Math.random()]
    if (kind < 0.12) return new Wait(call, a, b)
    if (kind < 0.17) return new Fail(call, a, b)
    if (kind < 0.27) return new Find(call, a, b)
    if (kind < 0.32 && streams) return new Count(call, a, b)
    if (kind < 0.35 && streams) {
      const numbers = async function* () {
        for (const n of [a, b]) {
          await sleep(below(20))
          yield n
        }
      }
      return Object.assign(new Sum(call, a, b), { numbers: numbers() })
    }
    return new Add(call, a, b)
  }

  /** @param {InstanceType<typeof RpcClient>} client @param {number} call @param {(typeof WAYS)[number]} way */
  async function tryCall(client, call, way) {
    const command = someCommand(way, call)
    const sum = command.a + command.b
    const timeoutMs = 50 + below(3000)
    const signal = Math.random() < 0.1 ? AbortSignal.timeout(below(1000)) : undefined
    // Remembered by each server for itself: one that is asked after another one may run it again. Streams cannot be remembered.
    const idempotencyKey = Math.random() < 0.05 && !(command instanceof Count) ? String(call) : undefined
    repeatable[call] = Number(command instanceof Find || idempotencyKey !== undefined)
    const start = network.time.now
    try {
      const result = /** @type {unknown} */ (await client.execute(command, { timeoutMs, signal, idempotencyKey }))
      if (command instanceof Count) await readAll(call, /** @type {AsyncIterable<number>} */ (result), sum)
      else if (command instanceof Fail || result !== sum) complain(`call ${call} gave ${result}, not ${sum}`)
      if (executed[call] === 0) complain(`call ${call} has a result, and was not executed`)
      count('result')
    } catch (error) {
      judge(call, command, sum, error)
    }
    if (command instanceof Count) return
    const late = network.time.now - start - timeoutMs
    if (late > LATE_MS) complain(`call ${call} ended ${late} ms after its time`)
  }

  /** @param {number} call @param {AsyncIterable<number>} stream @param {number} length */
  async function readAll(call, stream, length) {
    const most = Math.random() < 0.2 ? below(length) : length
    const end = network.time.now + STREAM_MS
    let next = 0
    for await (const n of stream) {
      if (n !== next) complain(`call ${call}: item ${n} came instead of ${next}`)
      if (network.time.now > end) complain(`call ${call}: its stream takes for ever`)
      if (++next > most) return count('streams left')
    }
    if (next !== length) complain(`call ${call}: its stream ended after ${next} of ${length} items`)
    count('streams read')
  }

  /** @param {number} call @param {unknown} command @param {number} sum @param {unknown} error */
  function judge(call, command, sum, error) {
    if (!(error instanceof ZmqRpcError)) return complain(`call ${call} ended with ${error}`)
    count(error.code)
    if (command instanceof Fail && error.code === 'SERVICE_FAILED') {
      if (!error.message.includes(`sum is ${sum}`)) complain(`call ${call}: ${error.message}`)
    } else if (!EXPECTED.includes(error.code)) {
      complain(`call ${call} ended with ${error.code}: ${error.message}`)
    }
    const notStarted = error.started === 'no'
    if (notStarted) unsent[call] = 1
    if (notStarted && executed[call] !== 0) complain(`call ${call} was executed: ${error.message}`)
    if (error.started === 'yes' && executed[call] === 0) complain(`call ${call} was not executed: ${error.message}`)
  }

  /** @param {InstanceType<typeof RpcClient>} client @param {(typeof WAYS)[number]} way */
  async function work(client, way) {
    while (started < calls) {
      const call = started++
      await tryCall(client, call, way)
      ended++
      await sleep(below(50))
    }
  }

  /** @type {Map<string, Awaited<ReturnType<typeof serve>>>} */
  const running = new Map()
  const hosts = Array.from({ length: servers }, (_, index) => network.host(`server${index}`))
  for (const host of hosts) await host.start(async () => void running.set(host.name, await serve()))
  const chaos = network.chaos({
    dropsPerMinute: 20,
    cutsPerMinute: 20,
    silentCutsPerMinute: 20,
    crashesPerMinute: 20,
    freezesPerMinute: 20,
    outageMs: [5, 20_000],
  })

  const req = hosts.map(({ name }) => `tcp://${name}:${PORT}`)
  const clientPrograms = Array.from({ length: clients }, (_, index) => async () => {
    const way = WAYS[index % WAYS.length] ?? {}
    const client = new RpcClient({ req, pub: `tcp://*:${NEWS_PORT}`, heartbeatIntervalMs: 5000, ...way })
    let number = 0
    const news = setInterval(() => void client.publish(Object.assign(new News(), { number: number++ })), 500)
    await Promise.all(Array.from({ length: workers }, () => work(client, way)))
    clearInterval(news)
    await client.close()
  })
  await Promise.all(clientPrograms.map((program, index) => network.host(`client${index}`).run(program)))

  chaos.stop()
  Object.assign(outcomes, chaos.counts)
  await sleep(10_000)
  for (const [name, { open }] of running) if (open.streams > 0) complain(`${name}: ${open.streams} streams are open`)
  await Promise.all([...running.values()].map(({ server }) => server.stop({ drainMs: 0 })))
  await sleep(10_000)

  if (ended !== calls) complain(`${ended} of ${calls} calls have ended`)
  if (heard === 0) complain('no news was heard')
  if (network.openEnds > 0) complain(`${network.openEnds} ends of connections are open`)
  if (network.boundEndpoints.length > 0) complain(`${network.boundEndpoints} are bound`)
  if (network.time.pending.length > 0) complain(`pending: ${JSON.stringify(network.time.pending.slice(0, 5))}`)
  const { user, system } = process.cpuUsage(began)
  return { complaints, outcomes, heard, virtualMs: network.time.now, cpuMs: (user + system) / 1000 }
}
