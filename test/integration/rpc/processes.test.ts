import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { RpcClient, ZmqRpcError } from '../../../src/index.ts'
import { Count, openHandles, until, useRpc } from '../../helpers/rpc.ts'

const rpc = useRpc()

interface Child {
  readonly process: ChildProcess
  /** The next line that it says; undefined when it has ended. */
  line(): Promise<string | undefined>
}

function start(file: string, ...args: string[]): Child {
  const path = fileURLToPath(new URL(`./children/${file}.ts`, import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  rpc.defer(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return { process: child, line: async () => (await lines.next()).value }
}

describe('a server that is killed and started again, with 100 calls in flight', () => {
  it('costs each call no more than a named error; the client goes on with no help', { timeout: 60_000 }, async () => {
    const ROUNDS = 4
    const TIMEOUT_MS = 8000
    const rejections: unknown[] = []
    const note = (reason: unknown): number => rejections.push(reason)
    process.on('unhandledRejection', note)
    rpc.defer(() => process.off('unhandledRejection', note))

    let server = start('server', 'tcp://127.0.0.1:0')
    const endpoint = (await server.line()) as string
    const before = openHandles()
    const client = rpc.own(new RpcClient({ req: endpoint, timeoutMs: TIMEOUT_MS }))
    let going = true
    let results = 0
    let longest = 0
    const codes = new Map<string, number>()
    const caller = async (first: number): Promise<void> => {
      for (let n = first; going; n += 100) {
        const begin = performance.now()
        try {
          expect(await client.execute(new Count(n))).toBe(n)
          results++
        } catch (error) {
          expect(error).toBeInstanceOf(ZmqRpcError)
          const { code, command } = error as ZmqRpcError
          expect(command).toBe('Count')
          expect((error as ZmqRpcError).endpoint).toBe(endpoint)
          codes.set(code, (codes.get(code) ?? 0) + 1)
        }
        longest = Math.max(longest, performance.now() - begin)
      }
    }
    const callers = Array.from({ length: 100 }, (_, first) => caller(first))
    for (let round = 0; round < ROUNDS; round++) {
      const goal = results + 500
      await until(() => results >= goal, 'results come', 15_000)
      server.process.kill('SIGKILL')
      await once(server.process, 'exit')
      server = start('server', endpoint)
      expect(await server.line()).toBe(endpoint)
    }
    const goal = results + 500
    await until(() => results >= goal, 'results come again', 15_000)
    going = false
    await Promise.all(callers)
    expect([...codes.keys()]).toEqual(['CONNECTION_LOST'])
    expect(codes.get('CONNECTION_LOST')).toBeLessThanOrEqual(ROUNDS * 100)
    expect(longest).toBeLessThan(TIMEOUT_MS + 100)
    await client.close()
    await until(() => openHandles() <= before, 'nothing of the client is left')
    expect(rejections).toEqual([])
  })

  it('that stands still instead is noticed: the calls time out, and go on when it goes on', { timeout: 30_000 }, async () => {
    const server = start('server', 'tcp://127.0.0.1:0')
    const endpoint = (await server.line()) as string
    const client = rpc.client({ req: endpoint })
    expect(await client.execute(new Count(1))).toBe(1)
    server.process.kill('SIGSTOP')
    const calls = Array.from({ length: 100 }, (_, n) =>
      client.execute(new Count(n), { timeoutMs: 1000 }).catch((error: ZmqRpcError) => error.code),
    )
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['TIMED_OUT']))
    server.process.kill('SIGCONT')
    expect(await client.execute(new Count(7))).toBe(7)
  })
})

describe('a process', () => {
  it('ends by itself once all is closed, whatever was under way', async () => {
    const child = start('ends-by-itself')
    expect(await child.line()).toBe('CLOSED CLOSED CLOSED CLOSED')
    const said = performance.now()
    const [code] = child.process.exitCode === null ? await once(child.process, 'exit') : [child.process.exitCode]
    expect(code).toBe(0)
    expect(performance.now() - said).toBeLessThan(3000)
  })
})
