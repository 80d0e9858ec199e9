/** The story: samples on their way from one site to another, the link cut, the proxy killed; and all samples arrive. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Program } from '../support/program.ts'
import { makeSites } from './sites.ts'

const { count } = parseArgs({ options: { count: { type: 'string', default: '300' } } }).values

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

/** A program at a site. */
function run(site: readonly string[], file: string, ...args: string[]): Program {
  const [command, ...rest] = [...site, process.execPath, ...process.execArgv, pathOf(file), ...args]
  return new Program(file, command as string, rest)
}

/** Python with pyzmqrpc3, as `npm run peers` has set it up. */
function pythonWithPyzmqrpc3(): string | undefined {
  const status = pathOf('../../.peers/status.json')
  if (!existsSync(status)) return undefined
  const { available, python } = JSON.parse(readFileSync(status, 'utf8')).pyzmqrpc3
  return available ? python : undefined
}

const sites = makeSites()
const folder = mkdtempSync(join(tmpdir(), 'outage-'))
console.log(`Two sites: ${sites.kind}.`)
try {
  const lab = run(sites.there, 'lab.ts', '--endpoint', sites.labEndpoint)
  const to = await sites.proxyTo((await lab.line(/^listening on/)).replace('listening on ', ''))
  const startProxy = async (endpoint: string): Promise<[Program, string]> => {
    const proxy = run(sites.here, 'proxy.ts', '--endpoint', endpoint, '--to', to, '--folder', folder)
    const line = await proxy.line(/^listening on/)
    return [proxy, line]
  }
  let [proxy, line] = await startProxy('tcp://127.0.0.1:0')
  const endpoint = /tcp:[^;]+/.exec(line)?.[0] ?? ''

  const options = (name: string): string[] => ['--endpoint', endpoint, '--count', count, '--name', name]
  const sensors = ['north', 'south'].map((name) => run(sites.here, 'sensor.ts', ...options(name)))
  const python = pythonWithPyzmqrpc3()
  const [command, ...rest] = [...sites.here, python ?? '', pathOf('sensor.py'), ...options('python')]
  if (python !== undefined) sensors.push(new Program('sensor.py', command as string, rest))
  const names = ['north', 'south', ...(python === undefined ? [] : ['python'])]
  console.log(`Sensors: ${names.join(', ')}.`)

  await lab.line(/samples, in order/)
  sites.cut()
  console.log('The link is cut; the sensors go on.')
  await sleep(500)
  proxy.kill('SIGKILL')
  await proxy.ended
  console.log('The proxy is killed (kill -9).')
  await sleep(300)
  ;[proxy, line] = await startProxy(endpoint)
  console.log(`The proxy is there again:${line.split(';')[1]}.`)
  await sleep(700)
  sites.heal()
  console.log('The link is whole again.')

  for (const sensor of sensors) await sensor.exits(0, 60_000)
  for (const name of names) console.log(`In the lab: ${await lab.line(new RegExp(`^${name}: ${count} samples`), 60_000)}.`)
  lab.kill('SIGTERM')
  await lab.exits(0)
  console.log(`In the lab: ${await lab.line(/missing|wrong/)}.`)
  await proxy.stop()
} finally {
  sites.close()
  rmSync(folder, { recursive: true, force: true })
}
