/**
 * Sockets of every kind live on while their peers, processes of this package and of `zeromq` (libzmq), are killed, frozen,
 * ended in good order and started anew at random: `npm run soak -- --minutes 10`.
 *
 * In the end nothing may be left: no socket, timer, connection or file, no memory that grows with what happened; and every
 * message that arrived was whole, in order for its sender, and came once. `--seed` makes the same choices again; `--peers ours`
 * leaves libzmq out.
 */

import { fork } from 'node:child_process'
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as zmq from 'zmq-rpc/sockets'
import { Checker, message } from './messages.js'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    peers: { type: 'string', default: 'ours,libzmq' },
  },
})

const MiB = 1024 * 1024
const HEAP_GROWTH_BYTES = 10 * MiB
const RSS_GROWTH_BYTES = 80 * MiB

let state = Number(values.seed)
/** From 0 to below 1. */
function random() {
  state = (state + 0x6d2b79f5) | 0
  let mixed = Math.imul(state ^ (state >>> 15), state | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
}
/** @template T @param {readonly T[]} choices @returns {T} */
const pick = (choices) => /** @type {T} */ (choices[Math.floor(random() * choices.length)])

/** @type {string[]} */
const complaints = []
const complain = (/** @type {string} */ text) => {
  complaints.push(text)
  if (complaints.length <= 20) console.error(text)
}

setFlagsFromString('--expose-gc')
const collect = /** @type {() => void} */ (runInNewContext('gc'))
const packages = await packagesOf(values.peers)
const folder = mkdtempSync(join(tmpdir(), 'soak-'))
const context = new zmq.Context()
const before = { resources: resources(), sockets: systemSockets() }
/** Where peers are frozen, heartbeats notice it. */
const COMMON = { context, linger: 0, reconnectInterval: 20, reconnectMaxInterval: 200 }
const SENDS = { ...COMMON, sendHighWaterMark: 200 }
const RECEIVES = { ...COMMON, receiveHighWaterMark: 200 }
const BEATING = { ...RECEIVES, heartbeatInterval: 200, heartbeatTimeout: 400 }
const BOTH = { ...SENDS, ...BEATING }

let running = true
/** @type {Checker[]} */
const checkers = []
/** @type {Record<string, zmq.Socket>} */
const sockets = {}
/** What the XPUB was told that somebody wants. */
/** @type {Set<string>} */
const topics = new Set()
let newsCount = 0
/** @type {Promise<unknown>[]} */
const loops = []
/** Peers by their place: role, where they meet us, and with what. */
/** @type {{ role: string, endpoints: string[], security?: object, freezes?: boolean }[]} */
const places = []

/** @param {string} name @param {boolean} contiguous */
function checker(name, contiguous) {
  const made = new Checker(name, contiguous, complain)
  checkers.push(made)
  return made
}

/** @param {() => Promise<void>} loop */
function run(loop) {
  loops.push(loop().catch((error) => running && complain(`a loop ended: ${error}`)))
}

/** Binds over TCP and ipc. @param {string} name @param {zmq.Socket} socket */
async function bound(name, socket) {
  sockets[name] = socket
  const endpoints = []
  for (const endpoint of ['tcp://127.0.0.1:*', `ipc://${join(folder, name)}`]) {
    await socket.bind(endpoint)
    endpoints.push(String(socket.lastEndpoint))
  }
  return endpoints
}

/** Connects to a port where somebody will be. @param {string} name @param {zmq.Socket} socket */
async function connected(name, socket) {
  sockets[name] = socket
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  await new Promise((resolve) => server.close(resolve))
  const endpoint = `tcp://127.0.0.1:${port}`
  socket.connect(endpoint)
  return [endpoint]
}

/** @param {(number: number) => Promise<unknown>} send */
async function steadily(send) {
  for (let number = 0; running; number++) {
    await send(number)
    if (number % 10 === 0) await sleep(5)
  }
}

async function setUp() {
  const pull = new zmq.Pull(RECEIVES)
  places.push({ role: 'push', endpoints: await bound('pull', pull) })
  const pulled = checker('pull', true)
  run(async () => {
    for await (const frames of pull) pulled.check(frames)
  })

  const push = new zmq.Push(SENDS)
  places.push({ role: 'pull', endpoints: await bound('push', push), freezes: true })
  run(() => steadily((number) => push.send(message('us', number))))

  const reply = new zmq.Reply(BOTH)
  places.push({ role: 'request', endpoints: await bound('reply', reply) })
  run(async () => {
    for await (const frames of reply) await reply.send(frames)
  })

  const request = new zmq.Request({ ...BOTH, relaxed: true, correlate: true, receiveTimeout: 300, sendTimeout: 300 })
  places.push({ role: 'reply', endpoints: await connected('request', request), freezes: true })
  const replies = checker('request', false)
  run(() =>
    steadily(async (number) => {
      try {
        await request.send(message('us', number))
        const frames = await request.receive()
        if (Number(String(frames[1])) !== number) complain(`request: the reply to ${frames[1]} came for ${number}`)
        replies.check(frames)
      } catch (error) {
        if (running && /** @type {{ code?: string }} */ (error).code !== 'EAGAIN') throw error
      }
    }),
  )

  const keys = zmq.curveKeyPair()
  const own = zmq.curveKeyPair()
  const plain = { plainServer: true, authenticate: () => /** @type {const} */ ({ status: 200, user: 'soak' }) }
  const curve = { curveServer: true, curveSecretKey: keys.secretKey }
  const curveClient = { curveServerKey: keys.publicKey, curvePublicKey: own.publicKey, curveSecretKey: own.secretKey }
  for (const [name, ours, theirs] of /** @type {const} */ ([
    ['router', {}, {}],
    ['plain router', plain, { plainUsername: 'soak', plainPassword: 'secret' }],
    ['curve router', curve, curveClient],
  ])) {
    const router = new zmq.Router({ ...SENDS, ...RECEIVES, ...ours, mandatory: true, maxHandshakes: 50 })
    places.push({ role: 'dealer', endpoints: await bound(name.replace(' ', '-'), router), security: theirs })
    const routed = checker(name, true)
    run(async () => {
      for await (const [id, ...frames] of router) {
        routed.check(frames)
        // Mandatory: it waits for a slow peer instead of dropping, and fails for one that is gone.
        await router.send([id ?? '', ...frames]).catch((error) => {
          if (error.code !== 'EHOSTUNREACH') throw error
        })
      }
    })
  }

  const dealer = new zmq.Dealer({ ...BOTH, immediate: true })
  places.push({ role: 'router', endpoints: await connected('dealer', dealer), freezes: true })
  const answers = checker('dealer', false)
  run(() => steadily((number) => dealer.send(message('us', number))))
  run(async () => {
    for await (const frames of dealer) answers.check(frames)
  })

  const publisher = new zmq.Publisher(SENDS)
  places.push({ role: 'subscriber', endpoints: await bound('publisher', publisher), freezes: true })
  run(() => steadily((number) => publisher.send([String(number % 4), ...message('us', number)])))

  const subscriber = new zmq.Subscriber(BEATING)
  places.push({ role: 'publisher', endpoints: await connected('subscriber', subscriber), freezes: true })
  subscriber.subscribe('0', '2')
  const heard = checker('subscriber', false)
  run(async () => {
    for await (const [topic, ...frames] of subscriber) {
      if (!/^[02]/.test(String(topic))) complain(`subscriber: the topic ${topic} was not subscribed to`)
      heard.check(frames)
    }
  })

  const xpublisher = new zmq.XPublisher(BOTH)
  const endpoints = await bound('xpublisher', xpublisher)
  places.push({ role: 'subscriber', endpoints, freezes: true }, { role: 'xsubscriber', endpoints })
  run(() => steadily((number) => xpublisher.send([String(number % 4), ...message('us', number)])))
  run(async () => {
    for await (const [news, ...more] of xpublisher) {
      const topic = String(news?.subarray(1))
      newsCount++
      if (more.length > 0 || !news || (news[0] !== 0 && news[0] !== 1)) complain(`xpublisher: news of ${1 + more.length} frames: ${news}`)
      else if (news[0] === 1 && topics.has(topic)) complain(`xpublisher: ${topic} is told to be new twice`)
      else if (news[0] === 0 && !topics.delete(topic)) complain(`xpublisher: ${topic} is told to be gone, and was not there`)
      else if (news[0] === 1) topics.add(topic)
    }
  })

  const xsubscriber = new zmq.XSubscriber({ ...BEATING, sendHighWaterMark: 200 })
  places.push({ role: 'xpublisher', endpoints: await connected('xsubscriber', xsubscriber), freezes: true })
  for (const topic of ['0', '2']) await xsubscriber.send(Buffer.from(`\x01${topic}`))
  const xheard = checker('xsubscriber', false)
  run(async () => {
    for await (const [topic, ...frames] of xsubscriber) {
      if (!/^[02]/.test(String(topic))) complain(`xsubscriber: the topic ${topic} was not subscribed to`)
      xheard.check(frames)
    }
  })

  // Its peers are never frozen: heartbeats would only end the connection of one that the machine keeps waiting, and what it had sent.
  const pair = new zmq.Pair({ ...SENDS, ...RECEIVES })
  places.push({ role: 'pair', endpoints: await bound('pair', pair) })
  const paired = checker('pair', true)
  run(() => steadily((number) => pair.send(message('us', number))))
  run(async () => {
    for await (const frames of pair) paired.check(frames)
  })
}

const deeds = { started: 0, killed: 0, frozen: 0, ended: 0 }
let countedByPeers = 0
let incarnation = 0

/** One place: a peer after the other, until all is over. @param {(typeof places)[number]} place */
async function occupy(place) {
  while (running) {
    const who = `${place.role}-${incarnation++}`
    const args = [pick(packages), place.role, who, pick(place.endpoints), JSON.stringify(place.security ?? {})]
    const child = fork(new URL('./peer.js', import.meta.url), args)
    deeds.started++
    let count = 0
    child.on('message', (/** @type {{ complaint?: string, count?: number }} */ news) => {
      if (news.complaint !== undefined) complain(news.complaint)
      count = news.count ?? count
    })
    let gone = false
    const exit = new Promise((resolve) => child.once('exit', resolve)).then(() => {
      gone = true
    })
    await Promise.race([sleep(500 + random() * 4000), exit])
    if (gone && running) complain(`${who} ended by itself`)
    if (place.freezes && running && random() < 0.3) {
      deeds.frozen++
      child.kill('SIGSTOP')
      await sleep(300 + random() * 1500)
      child.kill('SIGCONT')
      await sleep(random() * 1000)
    }
    if (running && random() < 0.3) {
      deeds.ended++
      child.send('end')
      await Promise.race([exit, sleep(3000)])
    } else {
      deeds.killed++
    }
    child.kill('SIGKILL')
    await exit
    countedByPeers += count
  }
}

/** @type {{ heap: number, rss: number }[]} */
const samples = []

async function sample() {
  while (running) {
    await sleep(1000)
    collect()
    const { heapUsed, arrayBuffers, rss } = process.memoryUsage()
    samples.push({ heap: heapUsed + arrayBuffers, rss })
    if (samples.length % 30 === 0) console.log(summary())
  }
}

function summary() {
  const latest = samples.at(-1) ?? { heap: 0, rss: 0 }
  const received = checkers.reduce((sum, { count }) => sum + count, 0)
  return `${samples.length} s: ${deeds.started} peers started, ${received} messages checked here, ${countedByPeers} by peers, heap ${(latest.heap / MiB).toFixed(1)} MiB, RSS ${(latest.rss / MiB).toFixed(0)} MiB`
}

/** What keeps a process alive, but for its standard streams. */
function resources() {
  return process
    .getActiveResourcesInfo()
    .filter((name) => !/TTY|^Pipe/.test(name))
    .sort()
}

/** @param {'heap' | 'rss'} what the median of the last fifth against that of the second */
function growth(what) {
  const fifth = Math.floor(samples.length / 5)
  const median = (/** @type {number} */ from) =>
    samples
      .slice(from, from + fifth)
      .map((one) => one[what])
      .sort((a, b) => a - b)[Math.floor(fifth / 2)] ?? 0
  return median(samples.length - fifth) - median(fifth)
}

/** Open sockets of the system, TCP and ipc; 0 where there is no /proc. (Other files come and go with Node's own doings.) */
function systemSockets() {
  try {
    const isSocket = (/** @type {string} */ file) => {
      try {
        return readlinkSync(`/proc/self/fd/${file}`).startsWith('socket:')
      } catch {
        // The one that this very list was read from.
        return false
      }
    }
    return readdirSync('/proc/self/fd').filter(isSocket).length
  } catch {
    return 0
  }
}

/** @param {string} asked */
async function packagesOf(asked) {
  const found = ['zmq-rpc/sockets']
  if (!asked.includes('libzmq')) return found
  try {
    await import('zeromq')
    return [...found, 'zeromq']
  } catch (error) {
    console.log(`without libzmq: ${error}`)
    return found
  }
}

console.log(`seed ${values.seed}, ${values.minutes} minutes, peers of ${packages.join(' and ')}`)
await setUp()
const sampling = sample()
const occupied = places.map(occupy)
await sleep(Number(values.minutes) * 60_000)
running = false
await Promise.all([...occupied, sampling])

console.log(`\n${summary()}`)
console.log(deeds)
for (const [name, socket] of Object.entries(sockets)) console.log(name.padEnd(13), JSON.stringify(socket.stats()))
// With all peers dead, connections are gone as soon as the system has said so.
for (let tries = 0; tries < 100 && Object.values(sockets).some((socket) => socket.stats().connections > 0); tries++) await sleep(50)
for (const [name, socket] of Object.entries(sockets)) {
  const { connections } = socket.stats()
  if (connections > 0) complain(`${name}: ${connections} connections to dead peers`)
}
if (newsCount === 0) complain('the XPUB has heard of no subscription')
if (topics.size > 0) complain(`the XPUB believes that dead peers want ${[...topics]}`)
await Promise.all(Object.values(sockets).map((socket) => socket.close()))
await Promise.all(loops)
rmSync(folder, { recursive: true })
await sleep(100)

const after = { resources: resources(), sockets: systemSockets() }
console.log('heap and RSS since the second fifth:', `${(growth('heap') / MiB).toFixed(1)} MiB,`, `${(growth('rss') / MiB).toFixed(1)} MiB`)
console.log(
  `resources ${before.resources.length} -> ${after.resources.length}, sockets of the system ${before.sockets} -> ${after.sockets}`,
)
if (context.openSockets > 0) complain(`${context.openSockets} sockets are open`)
if (after.resources.length > before.resources.length) complain(`left over: ${after.resources.join(', ')}`)
if (after.sockets > before.sockets) complain(`${after.sockets} sockets of the system are open, ${before.sockets} were before`)
if (growth('heap') > HEAP_GROWTH_BYTES || growth('rss') > RSS_GROWTH_BYTES) complain('memory grows')
if (checkers.some(({ count }) => count === 0)) complain('a socket has heard nothing at all')
console.log(complaints.length === 0 ? 'nothing is left, and nothing was wrong' : `${complaints.length} complaints`)
process.exitCode = complaints.length === 0 ? 0 : 1
