/**
 * `npm run demo`: runs the examples for real, each program in a process of its own, over TCP and with a password; then with
 * pyzmqrpc3 on one side, where Python can be had. Ends with 0 when everything went as it should.
 */

import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Program } from './support/program.ts'
import { report } from './support/report.ts'

const SERVER = pathOf('request-reply/server.ts')
const CLIENT = pathOf('request-reply/client.ts')
const PUBLISHER = pathOf('publish-subscribe/publisher.ts')
const SUBSCRIBER = pathOf('publish-subscribe/subscriber.ts')

/** The longest that pip may take. */
const SETUP_MS = 120_000

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url))
}

/** The endpoint in a line such as "listening on tcp://127.0.0.1:41234". */
function endpointIn(line: string): string {
  return line.slice(line.indexOf('tcp://'))
}

/** For programs that cannot tell which port the system gave them. */
function freeEndpoint(): Promise<string> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' ? address?.port : undefined
      probe.close(() => resolve(`tcp://127.0.0.1:${port}`))
    })
  })
}

async function requestAndReply(): Promise<void> {
  report.title('Request and reply')
  const server = Program.typescript(SERVER, '--endpoint', 'tcp://127.0.0.1:0')
  const listening = await server.line(/listening on/)
  report.good('server.ts', listening)
  const endpoint = endpointIn(listening)

  const client = Program.typescript(CLIENT, '--endpoint', endpoint, '--calls', '1000')
  const stranger = Program.typescript(CLIENT, '--endpoint', endpoint, '--password', 'guessed')
  report.good('client.ts', await client.line(/was executed with "value1" and "value2"/))
  report.good('client.ts', await client.line(/1000 of 1000 calls/))
  await client.exits()
  await stranger.line(/AUTH_REFUSED/)
  report.good('client.ts, wrong password', `refused at once, not executed: ${await stranger.line(/failed after/)}`)
  await stranger.exits(1)

  await Program.typescript(CLIENT, '--endpoint', endpoint, '--shutdown').exits()
  await server.exits()
  report.good('server.ts', `${await server.line(/stopped/)}, as client.ts --shutdown asked`)
}

async function publishAndSubscribe(): Promise<void> {
  report.title('Publish and subscribe')
  const publisher = Program.typescript(
    PUBLISHER,
    '--endpoint',
    'tcp://127.0.0.1:0',
    '--subscribers',
    '2',
    '--count',
    '3',
    '--interval',
    '50',
  )
  const publishing = await publisher.line(/publishing on/)
  report.good('publisher.ts', publishing)
  const subscribers = [1, 2].map(() => Program.typescript(SUBSCRIBER, '--endpoint', endpointIn(publishing), '--count', '3'))
  for (const [index, subscriber] of subscribers.entries()) {
    await subscriber.exits()
    report.good(`subscriber.ts, number ${index + 1}`, subscriber.lines.filter((line) => line.includes('says')).join(', '))
  }
  await publisher.exits()
}

async function withPython(python: string): Promise<void> {
  report.title('With Python: pyzmqrpc3 on one side')
  await Promise.all([pythonClient(python), pythonServer(python), pythonPublisher(python), pythonSubscriber(python)])
}

async function pythonClient(python: string): Promise<void> {
  const server = Program.typescript(SERVER, '--endpoint', 'tcp://127.0.0.1:0')
  const endpoint = endpointIn(await server.line(/listening on/))
  const client = Program.python(python, pathOf('request-reply/client.py'), '--endpoint', endpoint)
  const answer = await client.line(/was executed/)
  await client.exits()
  await server.stop()
  report.good('client.py calls server.ts', answer)
}

async function pythonServer(python: string): Promise<void> {
  const endpoint = await freeEndpoint()
  const server = Program.python(python, pathOf('request-reply/server.py'), '--endpoint', endpoint)
  await server.line(/listening on/)
  const client = Program.typescript(CLIENT, '--endpoint', endpoint, '--calls', '1000')
  const answers = await client.line(/1000 of 1000 calls/)
  await client.exits()
  await server.stop()
  report.good('client.ts calls server.py', answers)
}

async function pythonPublisher(python: string): Promise<void> {
  const endpoint = await freeEndpoint()
  const publisher = Program.python(
    python,
    pathOf('publish-subscribe/publisher.py'),
    '--endpoint',
    endpoint,
    '--count',
    '100',
    '--interval',
    '0.1',
  )
  await publisher.line(/publishing on/)
  const subscriber = Program.typescript(SUBSCRIBER, '--endpoint', endpoint, '--count', '1')
  const heard = await subscriber.line(/says/)
  await subscriber.exits()
  await publisher.stop()
  report.good('publisher.py to subscriber.ts', heard)
}

/** Without a password: a subscriber of pyzmqrpc3 cannot take one. */
async function pythonSubscriber(python: string): Promise<void> {
  const publisher = Program.typescript(PUBLISHER, '--endpoint', 'tcp://127.0.0.1:0', '--username', '', '--count', '1')
  const endpoint = endpointIn(await publisher.line(/publishing on/))
  const subscriber = Program.python(python, pathOf('publish-subscribe/subscriber.py'), '--endpoint', endpoint)
  const heard = await subscriber.line(/°C/)
  await publisher.exits()
  await subscriber.stop()
  report.good('publisher.ts to subscriber.py', `${heard} (no password: pyzmqrpc3 has none there)`)
}

interface PythonPeer {
  available: boolean
  python?: string
  why?: string
}

/** Installs pyzmqrpc3 into .peers/python, unless it is there. Never rejects. */
async function setUpPython(): Promise<PythonPeer> {
  const setup = new Program('setup-peers.js', process.execPath, [pathOf('../scripts/setup-peers.js'), 'pyzmqrpc3'], {
    wholeGroup: true,
    // What is missing is told, not an error.
    env: { REQUIRE_PEERS: '0' },
  })
  try {
    await setup.exits(0, SETUP_MS)
    const found = JSON.parse(readFileSync(pathOf('../.peers/status.json'), 'utf8')) as { pyzmqrpc3: PythonPeer }
    return found.pyzmqrpc3
  } catch (error) {
    await setup.stop()
    return { available: false, why: (error as Error).message.split('\n', 1)[0] ?? '' }
  }
}

async function demo(): Promise<void> {
  console.log(`zmq-rpc on Node ${process.version}. Each line is a process of its own; they talk over TCP, with a password.`)
  const peer = setUpPython()
  await requestAndReply()
  await publishAndSubscribe()
  const waiting = setTimeout(() => report.note('installing pyzmqrpc3 into .peers/python, the first time only …'), 500)
  const { available, python, why } = await peer
  clearTimeout(waiting)
  if (available && python !== undefined) return withPython(python)
  report.title('With Python')
  report.left(`left out, since pyzmqrpc3 cannot be had here: ${why}`)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

try {
  await demo()
  console.log('\nAll of it worked. The programs are in examples/; the README says how to write your own.')
} catch (error) {
  report.failed(error instanceof Error ? error.message : String(error))
  // Ends the programs that still run.
  process.exit(1)
}
