/** `call`, `ls`, `ping` and `serve`: real processes of the built command line. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { jsonLines, useCli } from '../../helpers/cli.ts'
import { nowhere } from '../../helpers/free-ports.ts'
import { until } from '../../helpers/sockets.ts'

const cli = useCli()

describe('call', () => {
  it('writes the result as JSON to stdout, and nothing else', async () => {
    const { endpoint } = await cli.serve()
    expect(await cli.run(['call', endpoint, 'Greet', '{"name": "Ada"}'])).toEqual({ code: 0, stdout: '"Hello Ada"\n', stderr: '' })
    expect(await cli.run(['call', endpoint, 'Greet', '{"name": "Ada"}', '--raw'])).toMatchObject({ stdout: 'Hello Ada\n' })
    expect(await cli.run(['call', endpoint.replace('tcp://', ''), 'Greet'])).toMatchObject({ stdout: '"Hello you"\n' })
  })

  it('takes the state from stdin, metadata, and integers beyond 2^53 as they are', async () => {
    const { endpoint } = await cli.serve()
    const input = '{"value": [9007199254740993, {"deep": [1.5e3, "12345678901234567890"]}]}'
    expect(await cli.run(['call', endpoint, 'Echo', '--stdin'], { input })).toMatchObject({
      code: 0,
      stdout: '[9007199254740993,{"deep":[1500,"12345678901234567890"]}]\n',
    })
    expect(await cli.run(['call', endpoint, 'Greet', '-m', 'language=de'])).toMatchObject({ stdout: '"Hallo you"\n' })
  })

  it('writes a stream line by line, and ends it at the server when its reader has enough', async () => {
    const { endpoint, server } = await cli.serve()
    expect(await cli.run(['call', endpoint, 'Numbers', '{"most": 3}'])).toMatchObject({ code: 0, stdout: '1\n2\n3\n' })
    server.stderr = ''
    const endless = cli.start(['call', endpoint, 'Numbers'])
    await endless.says(/^3$/m)
    endless.child.stdout.destroy() // as `| head -3` does
    expect(await endless.ended).toMatchObject({ code: 0, stderr: '' })
    await until(() => server.stderr.includes('no more numbers'), 'the generator at the server has ended')
  })

  it('sends a stream from stdin', async () => {
    const { endpoint } = await cli.serve()
    expect(await cli.run(['call', endpoint, 'Sum', '--stream', 'numbers'], { input: '1\n2\n\n3.5\n' })).toMatchObject({ stdout: '6.5\n' })
  })

  it('tells a bad line of a stream by its number', async () => {
    const { endpoint } = await cli.serve()
    const { code, stderr } = await cli.run(['call', endpoint, 'Sum', '--stream', 'numbers'], { input: '1\nx\n' })
    expect(code).not.toBe(0)
    expect(stderr).toContain('line 2 of stdin is no JSON')
  })

  it('writes what JSON has no word for as the nearest that it has, and streams within a result after it', async () => {
    const { endpoint } = await cli.serve()
    const { stdout } = await cli.run(['call', endpoint, 'Values'])
    expect(stdout.split('\n')).toEqual([
      '{"large":12345678901234567890,"bytes":"aGk=","date":"1970-01-01T00:00:00.000Z","rows":{"$stream":"rows"}}',
      '{"stream":"rows","item":{"row":1}}',
      '{"stream":"rows","item":{"row":2}}',
      '',
    ])
  })

  it('ends with a code of its own for each way to fail, and says on stderr what happened and what to do', async () => {
    const { endpoint } = await cli.serve()
    const nobody = await nowhere()
    const cases: [args: string[], code: number, stderr: RegExp][] = [
      [[endpoint, 'Fail'], 6, /error: no paper/],
      [[endpoint, 'greet'], 6, /No service.*"greet"[\s\S]*zmq-rpc ls tcp/],
      [[endpoint, 'Hang', '--timeout', '500ms'], 5, /no reply[\s\S]*--timeout/],
      [[nobody, 'Greet', '--connect-timeout', '200ms'], 3, /ECONNREFUSED[\s\S]*zmq-rpc doctor tcp/],
      [[endpoint, 'Greet', '{name: "Ada"}'], 2, /the state is no JSON.*double quotes/],
      [[endpoint, 'Greet', '--tmeout', '1'], 2, /no option --tmeout; did you mean --timeout\?/],
      [[endpoint, 'Greet', '--timeout', 'soon'], 2, /"soon", not a time/],
      [[endpoint], 2, /COMMAND is missing/],
      [['tcp://', 'Greet'], 2, /endpoint/],
      [['localhost', 'Greet'], 2, /"localhost" is no endpoint: write HOST:PORT/],
      [['localhost:300000', 'Greet'], 2, /a port is 1 to 65535[\s\S]*zmq-rpc call --help/],
      [['http://localhost:1', 'Greet'], 2, /Protocol not supported[\s\S]*zmq-rpc call --help/],
      [['30000', 'Greet'], 2, /"30000" is a port: did you mean :30000\?/],
    ]
    for (const [args, code, text] of cases) {
      const ended = await cli.run(['call', ...args])
      expect(ended, args.join(' ')).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(text) })
    }
  })

  it('tells a failure as JSON, too', async () => {
    const { endpoint } = await cli.serve()
    const { stdout, stderr, code } = await cli.run(['call', endpoint, 'Fail', '--json'])
    expect({ stdout, code }).toEqual({ stdout: '', code: 6 })
    expect(jsonLines(stderr)).toEqual([
      {
        error: expect.objectContaining({
          code: 'SERVICE_FAILED',
          command: 'Fail',
          endpoint,
          started: 'yes',
          retrySafe: 'never',
          status: 463,
          statusText: 'no paper',
          details: { tray: 2 },
          exitCode: 6,
        }),
      },
    ])
  })

  it('is given up by Ctrl-C, at the server, too', async () => {
    const { endpoint, server } = await cli.serve()
    const call = cli.start(['call', endpoint, 'Hang'])
    await server.says(/hanging/)
    expect(await call.interrupt()).toEqual({ code: 130, stdout: '', stderr: '' })
    await server.says(/given up/)
  })

  it('is given up by SIGTERM', async () => {
    const { endpoint, server } = await cli.serve()
    const call = cli.start(['call', endpoint, 'Hang'])
    await server.says(/hanging/)
    call.child.kill('SIGTERM')
    expect(await call.ended).toMatchObject({ code: 143 })
  })
})

describe('ls', () => {
  it('waits 5 s for a proxy whose server is away', async () => {
    const proxy = cli.start(['proxy', '--rep', 'tcp://127.0.0.1:0', '--req', await nowhere()])
    const [, front = ''] = await proxy.says(/passing on from (\S+) to/)
    const start = performance.now()
    expect(await cli.run(['ls', front])).toMatchObject({ stdout: '', stderr: expect.stringContaining('could not pass it on') })
    expect(performance.now() - start).toBeLessThan(30_000)
  }, 70_000)

  it('shows the commands, their fields and what they are for', async () => {
    const { endpoint } = await cli.serve()
    const { code, stdout } = await cli.run(['ls', endpoint])
    expect(code).toBe(0)
    expect(stdout).toContain('Greet { name: string }\n    Greets somebody by name\n')
    expect(stdout).toMatch(/\d+ commands; zmq-rpc \d/)
  })

  it('shows one of them with its schema as JSON, and tells which is not there', async () => {
    const { endpoint } = await cli.serve()
    const { code, stdout, stderr } = await cli.run(['ls', endpoint, 'Greet', 'Nope', '--json'])
    expect(code).toBe(6)
    expect(stderr).toContain('Nope')
    expect(jsonLines(stdout)).toMatchObject([{ services: [{ name: 'Greet', state: { properties: { name: { type: 'string' } } } }] }])
  })
})

describe('ping', () => {
  it('tells each round trip, and sums up', async () => {
    const { endpoint } = await cli.serve()
    const { code, stdout } = await cli.run(['ping', endpoint, '--count', '3', '--interval', '10ms', '--json'])
    expect(code).toBe(0)
    const lines = jsonLines(stdout)
    expect(lines.slice(0, 3)).toEqual(
      [1, 2, 3].map((sequence) => ({ endpoint, sequence, ms: expect.any(Number), dialect: 'native', status: 'serving' })),
    )
    expect(lines[3]).toMatchObject({ summary: { sent: 3, answered: 3, meanMs: expect.any(Number) } })
  })

  it('goes on while nobody is there, and then ends as not connected', async () => {
    const nobody = await nowhere()
    const { code, stdout } = await cli.run(['ping', nobody, '-c', '2', '-i', '10ms', '-t', '100ms'])
    expect(code).toBe(3)
    expect(stdout.match(/no answer/g)).toHaveLength(2)
  })

  it('sums up at Ctrl-C', async () => {
    const { endpoint } = await cli.serve()
    const ping = cli.start(['ping', endpoint, '-c', '0', '-i', '20ms'])
    await ping.says(/(ms|µs)\n.*(ms|µs)\n/)
    expect(await ping.interrupt()).toMatchObject({ code: 0, stdout: expect.stringMatching(/\d+ sent, \d+ answered; min/) })
  })
})

describe('serve', () => {
  it('ends at Ctrl-C in good order, once calls under way have ended', async () => {
    const { endpoint, server } = await cli.serve()
    const call = cli.start(['call', endpoint, 'Numbers'])
    await call.says(/^2$/m)
    server.child.kill('SIGINT')
    await server.says(/have time to end/)
    expect(server.child.exitCode).toBe(null)
    await call.interrupt()
    expect(await server.ended).toMatchObject({ code: 0 })
  })

  it('ends at once at a second Ctrl-C', async () => {
    const { endpoint, server } = await cli.serve(['--drain', '1h'])
    cli.start(['call', endpoint, 'Hang'])
    await server.says(/hanging/)
    // At once after the first it is the same one, which npx has passed on.
    server.child.kill('SIGINT')
    server.child.kill('SIGTERM')
    await server.says(/have time to end/)
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(server.child.exitCode).toBe(null)
    expect(await server.interrupt()).toMatchObject({ code: 130 })
  })

  it('runs the services in threads, where it is told to, by the same module', async () => {
    const module = new URL('one-service.js', import.meta.url).pathname
    for (const [args, thread] of [
      [[], 0],
      [['--threads', '1'], 1],
    ] as const) {
      const server = cli.start(['serve', module, '--rep', 'tcp://127.0.0.1:0', ...args])
      const [, endpoint = ''] = await server.says(/listening on (\S+)/)
      expect(await cli.run(['call', endpoint, 'WhichThread'])).toMatchObject({ code: 0, stdout: `${thread}\n` })
      expect(await server.interrupt()).toMatchObject({ code: 0 })
    }
  })

  it('tells what is wrong with a module', async () => {
    for (const threads of [[], ['--threads', '2']])
      expect(await cli.run(['serve', './nowhere.js', ...threads])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('there is no file ./nowhere.js'),
      })
    const { code, stderr } = await cli.run([
      'serve',
      new URL('../../helpers/cli.ts', import.meta.url).pathname,
      '--rep',
      'tcp://127.0.0.1:0',
    ])
    expect(code).toBeGreaterThan(0)
    expect(stderr).toMatch(/TypeScript needs Node|no default export|could not be loaded/)
  })

  it('tells in which file, and on which line, it cannot be read, and what a forgotten .js was meant to be', async () => {
    const folder = cli.folder()
    const files = {
      'package.json': '{"type":"module"}',
      'broken.js': 'export const b = {\n  x: 1\n',
      'imports-broken.js': `import { b } from './broken.js'\nexport default () => b\n`,
      'whole.js': 'export const c = 1\n',
      'no-end.js': `import { c } from './whole'\nexport default () => c\n`,
      'wrong-name.js': `import { d } from './whole.js'\nexport default () => d\n`,
    }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    const cases: [string, RegExp][] = [
      ['broken.js', /error: broken\.js could not be loaded: Unexpected end of input, in \S+broken\.js:3$/m],
      ['imports-broken.js', /error: imports-broken\.js could not be loaded: Unexpected end of input, in \S+\Wbroken\.js:3$/m],
      ['no-end.js', /error: no-end\.js could not be loaded: .*did you mean to import whole\.js\?/],
      ['wrong-name.js', /error: wrong-name\.js could not be loaded: .*'d', in \S+wrong-name\.js:1$/m],
    ]
    for (const [module, text] of cases) {
      expect(await cli.run(['serve', module], { cwd: folder })).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(text) })
    }
  })

  it('warns when nothing is registered', async () => {
    const folder = cli.folder()
    writeFileSync(join(folder, 'empty.mjs'), 'export default () => {}\n')
    const server = cli.start(['serve', 'empty.mjs', '--rep', 'tcp://127.0.0.1:0'], { cwd: folder })
    await server.says(/empty\.mjs has registered nothing/)
    expect(await server.interrupt()).toMatchObject({ code: 0, stdout: expect.stringContaining('listening on') })
    const { server: other } = await cli.serve()
    expect(await other.interrupt()).toMatchObject({ stderr: '' })
  })

  it('and others that bind tell a port that is taken, an address that is not of this machine, and who connects to it', async () => {
    const { endpoint } = await cli.serve()
    const module = new URL('services.js', import.meta.url).pathname
    const elsewhere = 'tcp://192.0.2.7:30001'
    const cases: [string[], RegExp][] = [
      [['serve', module, '--rep', endpoint], /Address already in use[\s\S]*serve binds here, and clients connect to it/],
      [['publish', endpoint, 'X'], /Address already in use[\s\S]*publish binds here, and listeners connect to it/],
      [['publish', elsewhere, 'X'], /Cannot assign[\s\S]*give it an address of this machine; :30001 is that port on all/],
      [['receive', elsewhere], /Cannot assign[\s\S]*receive binds here, and senders connect to it: give it an address of this machine/],
      [['proxy', '--rep', elsewhere, '--req', endpoint], /Cannot assign[\s\S]*proxy binds here, and clients connect to it/],
    ]
    for (const [args, text] of cases) expect(await cli.run(args), args[0]).toMatchObject({ code: 1, stderr: expect.stringMatching(text) })
  })
})

describe('without a command', () => {
  it('shows help: on stderr when none was asked for, on stdout when it was', async () => {
    expect(await cli.run([])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Usage:') })
    expect(await cli.run(['--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('Usage:'), stderr: '' })
    expect(await cli.run(['call', '--help'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('zmq-rpc call ENDPOINT COMMAND [JSON]'),
    })
    expect(await cli.run(['cal'])).toMatchObject({ code: 2, stderr: expect.stringContaining('did you mean call?') })
    expect((await cli.run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it('writes no colours where there is no terminal', async () => {
    const { stdout } = await cli.run(['--help'], { env: { TERM: 'xterm-256color' } })
    expect(stdout).not.toContain('\x1b')
  })
})
