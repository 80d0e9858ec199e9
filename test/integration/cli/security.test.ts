/** Passwords and keys: where they come from, and that they are never shown. */

import { chmodSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { useCli } from '../../helpers/cli.ts'

const cli = useCli()

const SECRET = 'correct-horse'
const ADA = { ZMQ_RPC_USERNAME: 'ada', ZMQ_RPC_PASSWORD: SECRET }

describe('a password', () => {
  it('comes from the environment or from a file, at both ends', async () => {
    const file = join(cli.folder(), 'password')
    writeFileSync(file, `${SECRET}\n`, { mode: 0o600 })
    const { endpoint } = await cli.serve(['-u', 'ada', '--password-file', file])
    expect(await cli.run(['call', endpoint, 'WhoAmI'], { env: ADA })).toEqual({ code: 0, stdout: '"ada"\n', stderr: '' })
    expect(await cli.run(['call', endpoint, 'WhoAmI', '-u', 'ada', '--password-file', file])).toMatchObject({ code: 0, stderr: '' })
    expect(await cli.run(['doctor', endpoint], { env: ADA })).toMatchObject({ code: 0, stdout: expect.stringContaining('✓ admission') })
  })

  it('that others can read is warned of', async () => {
    const file = join(cli.folder(), 'password')
    writeFileSync(file, SECRET)
    chmodSync(file, 0o644)
    const { endpoint } = await cli.serve([], { env: ADA })
    const { code, stderr } = await cli.run(['call', endpoint, 'WhoAmI', '-u', 'ada', '--password-file', file])
    expect({ code, stderr }).toEqual({ code: 0, stderr: `warning: others on this machine can read ${file}: chmod 600 ${file}\n` })
  })

  it.each([['call', 'WhoAmI'], ['ls'], ['ping'], ['doctor']])(
    'that is wrong ends %s as refused, and is never shown',
    async (command, ...args) => {
      const { endpoint } = await cli.serve([], { env: ADA })
      const env = { ZMQ_RPC_USERNAME: 'ada', ZMQ_RPC_PASSWORD: 'not-it-at-all' }
      for (const json of [[], ['--json']]) {
        const { code, stdout, stderr } = await cli.run([command, endpoint, ...args, ...json], { env })
        expect(code).toBe(4)
        expect(stdout + stderr).toMatch(/let us in as user|refused/)
        expect(stdout + stderr).not.toContain('not-it-at-all')
      }
    },
  )

  it('is asked for by name when the server wants one', async () => {
    const { endpoint } = await cli.serve([], { env: ADA })
    expect(await cli.run(['call', endpoint, 'WhoAmI'])).toMatchObject({ code: 4, stderr: expect.stringContaining('ZMQ_RPC_PASSWORD') })
  })

  it('has no place on the command line, and is not repeated in the answer', async () => {
    for (const args of [['--password', SECRET], [`--password=${SECRET}`]]) {
      const { code, stderr } = await cli.run(['call', 'localhost:1', 'WhoAmI', ...args])
      expect(code).toBe(2)
      expect(stderr).toContain('ZMQ_RPC_PASSWORD')
      expect(stderr).not.toContain(SECRET)
    }
  })

  it('needs a name, and a name needs one', async () => {
    expect(await cli.run(['call', 'localhost:1', 'X'], { env: { ZMQ_RPC_PASSWORD: SECRET } })).toMatchObject({ code: 2 })
    expect(await cli.run(['call', 'localhost:1', 'X', '-u', 'ada'])).toMatchObject({ code: 2 })
  })

  it('is not shown by --verbose either', async () => {
    const { endpoint, server } = await cli.serve(['--verbose'], { env: ADA })
    await cli.run(['call', endpoint, 'Greet'], { env: ADA })
    await cli.run(['call', endpoint, 'Greet'], { env: { ...ADA, ZMQ_RPC_PASSWORD: 'not-it-at-all' } })
    await server.says(/handshake failed/)
    expect(server.stderr).toContain('a service has ended')
    expect(server.stderr).not.toMatch(/correct-horse|not-it-at-all/)
  })
})

describe('keys', () => {
  it('that keygen made encrypt a call, and let in who is known', async () => {
    const cwd = cli.folder()
    for (const name of ['server', 'roof', 'stranger'])
      expect(await cli.run(['keygen', name], { cwd })).toMatchObject({ code: 0, stderr: '' })
    expect(statSync(join(cwd, 'server.key_secret')).mode & 0o777).toBe(0o600)
    const { endpoint } = await cli.serve(['--key', 'server.key_secret', '--allow', 'roof=roof.key'], { cwd })
    const as = (name: string): string[] => ['--server-key', 'server.key', '--key', `${name}.key_secret`]
    expect(await cli.run(['call', endpoint, 'WhoAmI', ...as('roof')], { cwd })).toEqual({ code: 0, stdout: '"roof"\n', stderr: '' })
    expect(await cli.run(['call', endpoint, 'WhoAmI', ...as('stranger')], { cwd })).toMatchObject({ code: 4 })
    expect(await cli.run(['call', endpoint, 'WhoAmI'], { cwd })).toMatchObject({ code: 4 })
  })

  it('are written to stdout without a name', async () => {
    const { stdout } = await cli.run(['keygen', '--json'])
    expect(JSON.parse(stdout)).toEqual({ publicKey: expect.stringMatching(/^\S{40}$/), secretKey: expect.stringMatching(/^\S{40}$/) })
  })

  it('are not written over, unless --force says so', async () => {
    const cwd = cli.folder()
    await cli.run(['keygen', 'roof'], { cwd })
    expect(await cli.run(['keygen', 'roof'], { cwd })).toMatchObject({ code: 1, stderr: expect.stringContaining('--force') })
    chmodSync(join(cwd, 'roof.key_secret'), 0o644)
    expect(await cli.run(['keygen', 'roof', '--force'], { cwd })).toMatchObject({ code: 0 })
    expect(statSync(join(cwd, 'roof.key_secret')).mode & 0o777).toBe(0o600)
  })

  it('that are secret are taken from files only, and not repeated', async () => {
    const { stdout } = await cli.run(['keygen', '--json'])
    const { publicKey, secretKey } = JSON.parse(stdout)
    const { code, stderr } = await cli.run(['call', 'localhost:1', 'X', '--server-key', publicKey, `--key=${secretKey}`])
    expect(code).toBe(2)
    expect(stderr).not.toContain(secretKey)
  })
})
