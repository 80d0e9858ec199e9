/** Stores of a competition: each takes records of 200 bytes, and says of one that it is safe when it is as safe as that store can make it. */

import { spawnSync } from 'node:child_process'
import { close, existsSync, fdatasync, mkdtempSync, openSync, read, rmSync, write, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { SegmentLog } from 'zmq-rpc/store'
import { Missing, Peer, peerStatus } from './peer.js'

/**
 * @typedef {object} BenchStore
 * @property {import('./peer.js').Peer[]} processes
 * @property {(id: string, data: Buffer) => Promise<unknown>} append resolves when it is safe
 * @property {() => Promise<number>} [drain] a hundred records are read and acknowledged; how many there were
 * @property {() => { syncs: number, writtenBytes: number }} [diskUse]
 * @property {() => Promise<void>} close
 */

/** The benchmark does not wait for what is being closed. @type {Set<string>} */
const left = new Set()
process.once('exit', () => {
  for (const folder of left) rmSync(folder, { recursive: true, force: true })
})

/** @returns {{ folder: string, remove(): void }} */
function newFolder() {
  const folder = mkdtempSync(join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'zmq-rpc-bench-'))
  left.add(folder)
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** What anyone would write: a checksum and a length before each record, one write and one `fdatasync` for all that came meanwhile. No index. */
export async function byHand() {
  const { folder, remove } = newFolder()
  const fd = openSync(join(folder, 'log'), 'w+')
  const cursor = openSync(join(folder, 'cursor'), 'w+')
  /** @type {{ id: string, data: Buffer, resolve(): void, reject(error: Error): void }[]} */
  let waiting = []
  let busy = false
  let end = 0
  let readTo = 0
  const flush = () => {
    const batch = waiting
    waiting = []
    busy = batch.length > 0
    if (!busy) return
    const buffer = Buffer.allocUnsafe(batch.reduce((sum, { id, data }) => sum + 12 + id.length + data.length, 0))
    let at = 0
    for (const { id, data } of batch) {
      const next = at + 12 + id.length + data.length
      buffer.writeUInt32LE(next - at, at + 4)
      buffer.writeUInt32LE(id.length, at + 8)
      buffer.write(id, at + 12, 'latin1')
      data.copy(buffer, at + 12 + id.length)
      buffer.writeUInt32LE(crc32(buffer.subarray(at + 4, next)), at)
      at = next
    }
    const start = end
    end += at
    write(fd, buffer, 0, at, start, (error) => {
      if (error !== null) throw error
      fdatasync(fd, (reason) => {
        if (reason !== null) throw reason
        for (const { resolve } of batch) resolve()
        setImmediate(flush)
      })
    })
  }
  /** @type {BenchStore} */
  const store = {
    processes: [],
    append: (id, data) =>
      new Promise((resolve, reject) => {
        waiting.push({ id, data, resolve: () => resolve(undefined), reject })
        if (!busy) {
          busy = true
          setImmediate(flush)
        }
      }),
    drain: async () => {
      const buffer = Buffer.allocUnsafe(Math.min(64 * 1024, end - readTo))
      await new Promise((resolve) => read(fd, buffer, 0, buffer.length, readTo, resolve))
      let at = 0
      let count = 0
      for (; count < 100 && at + 12 < buffer.length && at + buffer.readUInt32LE(at + 4) <= buffer.length; count++) {
        const next = at + buffer.readUInt32LE(at + 4)
        if (buffer.readUInt32LE(at) !== crc32(buffer.subarray(at + 4, next))) throw new Error('damaged')
        at = next
      }
      readTo += at
      const place = Buffer.alloc(8)
      place.writeDoubleLE(readTo)
      await new Promise((resolve) => write(cursor, place, 0, 8, 0, () => fdatasync(cursor, resolve)))
      return count
    },
    close: async () => {
      for (const each of [fd, cursor]) close(each)
      remove()
    },
  }
  return store
}

/** @param {'fsync' | 'os-cache'} durability @returns {Promise<BenchStore>} */
export async function segmentLog(durability) {
  const { folder, remove } = newFolder()
  const store = new SegmentLog({ path: join(folder, 'buffer'), durability, maxBytes: 2 ** 36, maxRecords: 1e9 })
  await store.open()
  return ofStore(store, remove)
}

/** @param {import('zmq-rpc/store').BufferStore & { diskUse?: { syncs: number, writtenBytes: number } }} store @param {() => void} after @returns {BenchStore} */
function ofStore(store, after) {
  let readTo = 0
  return {
    processes: [],
    append: (id, data) => store.append({ id, data }),
    drain: async () => {
      const entries = await store.read(readTo, { count: 100, bytes: 1e6 })
      readTo = entries.at(-1)?.seq ?? readTo
      await store.ack(entries.map(({ seq }) => seq))
      return entries.length
    },
    ...(store.diskUse === undefined ? {} : { diskUse: () => /** @type {{ syncs: number, writtenBytes: number }} */ (store.diskUse) }),
    close: async () => {
      await store.close()
      after()
    },
  }
}

/** One server, which syncs every message. @returns {Promise<BenchStore>} */
export async function jetStream() {
  const { available, command: [program, ...args] = [], why } = peerStatus('nats-server')
  if (!available || program === undefined || !existsSync(program)) throw new Missing(`no nats-server here: ${why}`)
  const { folder, remove } = newFolder()
  const config = join(folder, 'nats.conf')
  writeFileSync(
    config,
    `jetstream { store_dir: "${join(folder, 'data')}", sync_interval: always, max_file_store: 64GB }\nlisten: "127.0.0.1:-1"\n`,
  )
  const server = new Peer(program, [...args, '--config', config])
  const [, port] = await server.says(/client connections on [^\n]*:(\d+)\n/)
  const { JetStreamStore } = await import('zmq-rpc/store/jetstream')
  // That the server syncs is known here: nobody has to be asked.
  const store = new JetStreamStore({ name: 'bench', nats: { servers: `127.0.0.1:${port}` }, durability: 'os-cache', replicas: 1 })
  await store.open()
  return {
    ...ofStore(store, () => {
      server.close()
      remove()
    }),
    processes: [server],
  }
}

/** XADD to a server that syncs before it answers. @returns {Promise<BenchStore>} */
export async function redis() {
  const { folder, remove } = newFolder()
  const port = await freePort()
  const options = [
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'yes',
    '--appendfsync',
    'always',
    '--bind',
    '127.0.0.1',
    '--logfile',
    join(folder, 'log'),
  ]
  const server = await started('redis-server', ['--port', `${port}`, ...options], port)
  const socket = await connected(port)
  /** @type {(() => void)[]} */
  const waiting = []
  socket.on('data', (chunk) => {
    // Each answer is a bulk string: a line with its length, and a line with the number of the entry.
    for (const byte of chunk) if (byte === 36) waiting.shift()?.()
  })
  let batch = /** @type {Buffer[]} */ ([])
  return {
    processes: [server],
    append: (id, data) => {
      if (
        batch.push(
          Buffer.from(`*7\r\n$4\r\nXADD\r\n$1\r\nq\r\n$1\r\n*\r\n$2\r\nid\r\n$${id.length}\r\n${id}\r\n$1\r\nd\r\n$${data.length}\r\n`),
          data,
          Buffer.from('\r\n'),
        ) === 3
      ) {
        setImmediate(() => {
          socket.write(Buffer.concat(batch))
          batch = []
        })
      }
      return new Promise((resolve) => waiting.push(() => resolve(undefined)))
    },
    close: async () => {
      socket.destroy()
      server.close()
      remove()
    },
  }
}

/** QoS 1 to a session that is away, written to disk after each change; without a sync, which Mosquitto does not do. @returns {Promise<BenchStore>} */
export async function mosquitto() {
  const { folder, remove } = newFolder()
  const port = await freePort()
  const config = join(folder, 'mosquitto.conf')
  const lines = ['persistence true', `persistence_location ${folder}/`, 'allow_anonymous true', `listener ${port} 127.0.0.1`, 'user root']
  const limits = ['max_queued_messages 0', 'max_inflight_messages 0', 'autosave_interval 1', 'autosave_on_changes false']
  writeFileSync(config, `${[...lines, ...limits].join('\n')}\n`)
  const server = await started('mosquitto', ['-c', config], port)
  const away = await mqtt(port, 'away', (socket) => socket.write(Buffer.from([0x82, 6, 0, 1, 0, 1, 0x71, 1])))
  away.destroy()
  /** @type {Map<number, () => void>} */
  const waiting = new Map()
  let rest = Buffer.alloc(0)
  let next = 0
  const socket = await mqtt(port, 'bench', () => {})
  socket.on('data', (chunk) => {
    rest = Buffer.concat([rest, chunk])
    for (; rest.length >= 4; rest = rest.subarray(4)) {
      const number = rest.readUInt16BE(2)
      waiting.get(number)?.()
      waiting.delete(number)
    }
  })
  return {
    processes: [server],
    append: (_, data) => {
      next = (next % 65_535) + 1
      const packet = Buffer.alloc(3 + 3 + 2 + data.length)
      const length = 5 + data.length
      packet.set([0x32, (length & 0x7f) | 0x80, length >> 7, 0, 1, 0x71, next >> 8, next & 0xff])
      data.copy(packet, 8)
      socket.write(packet)
      return new Promise((resolve) => waiting.set(next, () => resolve(undefined)))
    },
    close: async () => {
      socket.destroy()
      server.close()
      remove()
    },
  }
}

/** @param {number} port @param {string} name @param {(socket: import('node:net').Socket) => void} then */
async function mqtt(port, name, then) {
  const socket = await connected(port)
  const id = Buffer.from(name)
  socket.write(Buffer.concat([Buffer.from([0x10, 12 + id.length, 0, 4]), Buffer.from('MQTT'), Buffer.from([4, 0, 0, 0, 0, id.length]), id]))
  await new Promise((resolve) => socket.once('data', resolve))
  then(socket)
  await new Promise((resolve) => setTimeout(resolve, 100))
  return socket
}

/** A server program, once its port answers. @param {string} program @param {string[]} args @param {number} port @throws Missing */
async function started(program, args, port) {
  if (spawnSync(program, ['-h'], { stdio: 'ignore' }).error !== undefined) throw new Missing(`no ${program} here`)
  const server = new Peer(program, args)
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = await connected(port).catch(() => undefined)
    socket?.destroy()
    if (socket !== undefined) return server
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  server.close()
  throw new Missing(`${program} does not answer`)
}

/** @param {number} port @returns {Promise<import('node:net').Socket>} */
function connected(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(socket.setNoDelay()))
    socket.once('error', reject)
  })
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0))
    })
  })
}
