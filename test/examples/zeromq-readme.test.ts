/** The programs in the README of the `zeromq` package, as they stand there, with another import line (and a free port). */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../helpers/free-ports.ts'
import { makeProject, type Project, ROOT } from './project.ts'

const README = join(ROOT, 'node_modules/zeromq/README.md')
const children: ChildProcess[] = []
let project: Project

beforeAll(() => {
  project = makeProject()
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

afterAll(() => project.remove())

/** The code under a heading of the README, for our package and a port of the test. */
function program(heading: string, port: number): string {
  const code = new RegExp(`#### \`${heading}\`[^]*?\`\`\`js\n([^]*?)\`\`\``).exec(readFileSync(README, 'utf8'))?.[1]
  if (code === undefined) throw new Error(`the README has no program ${heading} any more`)
  return code.replace('from "zeromq"', 'from "zmq-rpc/sockets"').replaceAll(':3000', `:${port}`)
}

/** Starts a program; resolves with its output once that holds the text. */
function run(heading: string, port: number, text: string): Promise<string> {
  project.write(heading, program(heading, port))
  const child = spawn(process.execPath, [heading], { cwd: project.folder, stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  return new Promise((resolve, reject) => {
    let output = ''
    const take = (chunk: Buffer): void => {
      output += String(chunk)
      if (output.includes(text)) resolve(output)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.on('close', () => (output.includes(text) ? resolve(output) : reject(new Error(`${heading} ended without '${text}':\n${output}`))))
  })
}

describe.skipIf(!existsSync(README))("the README of zeromq runs with 'zmq-rpc/sockets'", () => {
  test('push and pull', async () => {
    const port = await freePort()
    const worker = run('worker.js', port, 'work: some work')
    await run('producer.js', port, 'Producer bound')
    expect(await worker).toContain('work: some work')
  })

  test('publish and subscribe', async () => {
    const port = await freePort()
    const subscriber = run('subscriber.js', port, 'containing message:')
    await run('publisher.js', port, 'sending a multipart message')
    expect(await subscriber).toContain(`<Buffer ${Buffer.from('kitty cats').toString('hex').match(/../g)?.join(' ')}>`)
  })

  test('request and reply', async () => {
    const port = await freePort()
    void run('server.js', port, 'never').catch(() => {})
    expect(await run('client.js', port, '<Buffer')).toContain('<Buffer 38>')
  })
})
