/**
 * Gets the peers of the interop tests and the benchmark ready and writes what it found to `.peers/status.json`, which
 * `test/helpers/peers.ts` reads. Quick when all is there already: what was built carries a stamp of what it was built
 * from. A missing peer is no error, except under `REQUIRE_PEERS=1`. Names of peers as arguments: only those.
 */

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify, stripVTControlCharacters } from 'node:util'

/** @typedef {'pyzmqrpc3' | 'libzmq' | 'netns' | 'jeromq' | 'go-zmq4' | 'zmq-rs' | 'nats-server' | 'old-nats-server'} PeerName */
/**
 * `python`: the interpreter that has the packages. `command`: what runs the program of `test/interop/peers`, or the server.
 * @typedef {{ available: boolean, why?: string, python?: string, command?: string[] }} PeerStatus
 */
/** @typedef {Pick<PeerStatus, 'python' | 'command'>} Found */

const PEERS = fileURLToPath(new URL('../.peers', import.meta.url))
const SOURCES = fileURLToPath(new URL('../test/interop/peers', import.meta.url))
const REQUIREMENTS = fileURLToPath(new URL('../test/interop/python/requirements.txt', import.meta.url))
/** JetStream has per-message schedules and atomic batches from 2.12 on. */
const NATS_SERVER = 'github.com/nats-io/nats-server/v2@v2.15.2'
const LONGEST_BUILD_MS = 600_000

const execute = promisify(execFile)

/** A virtual environment with the Python packages that this one talks to. @returns {Promise<Found>} */
async function setUpPython() {
  const folder = `${PEERS}/python`
  const python = `${folder}/bin/python`
  const program = `${SOURCES}/pyzmq/peer.py`
  const stamp = () => `${realpathSync(python)}\n${readFileSync(REQUIREMENTS, 'utf8')}`
  if (!existsSync(python) || !hasStamp(folder, stamp())) {
    console.log('peers: installing pyzmqrpc3 into .peers/python')
    rmSync(folder, { recursive: true, force: true })
    await run('python3', ['-m', 'venv', folder])
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', '--retries', '1']
    await run(python, [...pip, '--requirement', REQUIREMENTS])
    await run(python, ['-c', 'import msgpack, zmq, zmqrpc'])
    putStamp(folder, stamp())
  }
  return { python, command: [python, program] }
}

/** The bindings to libzmq: installed with the dev dependencies, but with a binary for some machines only. */
async function findLibzmq() {
  await import('zeromq')
  return {}
}

/** Network namespaces, for tests that cut or delay a link. */
async function tryNetns() {
  const name = `zmq-rpc-${process.pid}`
  await run('ip', ['netns', 'add', name])
  await run('ip', ['netns', 'delete', name])
  return {}
}

/** The jars by Maven, the program by `javac`: quicker than all by Maven. @returns {Promise<Found>} */
async function buildJeromq() {
  const java = find('java')
  const folder = await build('jeromq', [java, find('javac')], async (source, target) => {
    const copy = ['--batch-mode', '--quiet', `--file=${source}/pom.xml`, 'dependency:copy-dependencies', `-DoutputDirectory=${target}/lib`]
    await run(find('mvn'), copy)
    await run('javac', ['-cp', `${target}/lib/*`, '-d', `${target}/classes`, `${source}/Peer.java`])
  })
  const quickStart = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto']
  return { command: [java, ...quickStart, '-cp', [`${folder}/lib/*`, `${folder}/classes`].join(delimiter), 'Peer'] }
}

/** @returns {Promise<Found>} */
async function buildGo() {
  const folder = await build('go-zmq4', [find('go')], async (source, target) => {
    await run('go', ['build', '-o', `${target}/peer`, '.'], { cwd: source, env: { ...process.env, CGO_ENABLED: '0' } })
  })
  return { command: [`${folder}/peer`] }
}

/** Built from a copy, since Cargo writes a lock file beside the sources. @returns {Promise<Found>} */
async function buildRust() {
  const folder = await build('zmq-rs', [find('cargo')], async (source, target) => {
    cpSync(source, `${target}/source`, { recursive: true })
    const env = { ...process.env, CARGO_NET_RETRY: '1', CARGO_TARGET_DIR: `${target}/build` }
    await run('cargo', ['build', '--quiet'], { cwd: `${target}/source`, env })
    cpSync(`${target}/build/debug/peer`, `${target}/peer`)
    rmSync(`${target}/build`, { recursive: true })
  })
  return { command: [`${folder}/peer`] }
}

/** A whole server rather than a program of ours. @returns {Promise<Found>} */
async function installNatsServer() {
  const folder = `${PEERS}/nats-server`
  const stamp = `${NATS_SERVER}\n${realpathSync(find('go'))}`
  if (!hasStamp(folder, stamp)) {
    console.log('peers: installing nats-server into .peers/nats-server')
    rmSync(folder, { recursive: true, force: true })
    await run('go', ['install', NATS_SERVER], { env: { ...process.env, CGO_ENABLED: '0', GOBIN: folder } })
    putStamp(folder, stamp)
  }
  return { command: [join(folder, 'nats-server')] }
}

/**
 * Debian's, which is too old to keep what it acknowledges: a buffer must refuse it. Unpacked, not installed.
 *
 * @returns {Promise<Found>}
 */
async function unpackOldNatsServer() {
  const folder = `${PEERS}/old-nats-server`
  const server = `${folder}/usr/sbin/nats-server`
  if (!existsSync(server)) {
    console.log('peers: unpacking Debian’s nats-server into .peers/old-nats-server')
    mkdirSync(folder, { recursive: true })
    const download = () => run('apt-get', ['download', 'nats-server'], { cwd: folder })
    await download().catch(async () => {
      await run('apt-get', ['update', '-q'])
      await download()
    })
    const [archive] = readdirSync(folder).filter((file) => file.endsWith('.deb'))
    await run('dpkg', ['-x', join(folder, archive ?? ''), folder])
    const { stdout } = await execute(server, ['--version'])
    if (!/ v2\.(\d|1[01])\./.test(stdout)) {
      rmSync(folder, { recursive: true, force: true })
      throw new Error(`Debian has ${stdout.trim()} now, which is not old any more`)
    }
  }
  return { command: [server] }
}

/**
 * Builds what is in a folder of `test/interop/peers`, unless that was done before.
 *
 * @param {PeerName} name
 * @param {string[]} tools when another one is found, it is built again
 * @param {(source: string, target: string) => Promise<void>} make
 */
async function build(name, tools, make) {
  const source = join(SOURCES, name)
  const target = join(PEERS, name)
  const stamp = createHash('sha256')
  for (const tool of tools) stamp.update(`${realpathSync(tool)}\0`)
  for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) stamp.update(`${entry.name}\0`).update(readFileSync(join(entry.parentPath, entry.name)))
  }
  const wanted = stamp.digest('hex')
  if (hasStamp(target, wanted)) return target
  console.log(`peers: building ${name} in .peers/${name}`)
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  await make(source, target)
  putStamp(target, wanted)
  return target
}

/** @param {string} folder @param {string} wanted */
function hasStamp(folder, wanted) {
  const file = `${folder}/installed.txt`
  return existsSync(file) && readFileSync(file, 'utf8') === wanted
}

/** @param {string} folder @param {string} stamp */
function putStamp(folder, stamp) {
  writeFileSync(`${folder}/installed.txt`, stamp)
}

/** Where a program is. @param {string} program */
function find(program) {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, process.platform === 'win32' ? `${program}.exe` : program)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {}
  }
  throw new Error(`this machine has no ${program}`)
}

/** @param {string} command @param {string[]} args @param {import('node:child_process').ExecFileOptions} options */
async function run(command, args, options = {}) {
  await execute(command, args, { timeout: LONGEST_BUILD_MS, maxBuffer: 64 * 1024 * 1024, ...options })
}

/** @param {() => Promise<Found>} setUp @returns {Promise<PeerStatus>} */
async function status(setUp) {
  try {
    return { available: true, ...(await setUp()) }
  } catch (error) {
    return { available: false, why: reason(/** @type {Error & { stdout?: string, stderr?: string }} */ (error)) }
  }
}

/**
 * Of what a program wrote, the first line about an error says most, or else the last one; without any, the error itself.
 *
 * @param {Error & { stdout?: string, stderr?: string }} error
 */
function reason(error) {
  const written = stripVTControlCharacters(`${error.stdout ?? ''}\n${error.stderr ?? ''}`)
    .trim()
    .split('\n')
  const line = written.find((text) => /\berror\b/i.test(text)) ?? written.at(-1)
  return line || (error.message.split('\n')[0] ?? error.name)
}

/** @type {Record<PeerName, () => Promise<Found>>} */
const SET_UPS = {
  pyzmqrpc3: setUpPython,
  libzmq: findLibzmq,
  netns: tryNetns,
  jeromq: buildJeromq,
  'go-zmq4': buildGo,
  'zmq-rs': buildRust,
  'nats-server': installNatsServer,
  'old-nats-server': unpackOldNatsServer,
}
const STATUS_FILE = `${PEERS}/status.json`

/** @returns {Record<string, PeerStatus>} */
function foundBefore() {
  const none = Object.fromEntries(Object.keys(SET_UPS).map((name) => [name, { available: false, why: 'not asked for' }]))
  try {
    return { ...none, ...JSON.parse(readFileSync(STATUS_FILE, 'utf8')) }
  } catch {
    return none
  }
}

mkdirSync(PEERS, { recursive: true })
const asked = process.argv.slice(2)
const wanted = Object.entries(SET_UPS).filter(([name]) => asked.length === 0 || asked.includes(name))
// All at once: one downloads while another compiles.
const found = Object.fromEntries(await Promise.all(wanted.map(async ([name, setUp]) => [name, await status(setUp)])))
writeFileSync(STATUS_FILE, `${JSON.stringify({ ...foundBefore(), ...found }, null, 2)}\n`)

for (const [name, { available, why }] of Object.entries(found)) {
  if (available) continue
  console.log(`peers: ${name} is missing: ${why}`)
  if (process.env['REQUIRE_PEERS'] === '1') process.exitCode = 1
}
if (process.exitCode) console.error('peers: REQUIRE_PEERS=1 needs every peer')
