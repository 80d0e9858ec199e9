import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type Auth, type Principal, plainClientOptions, resolveAuth } from '../../../src/rpc/auth.ts'

const ORIGIN = { endpoint: 'tcp://127.0.0.1:1', remoteAddress: 'tcp://127.0.0.1:2' }

async function decide(auth: Auth, username: string, password: string): Promise<unknown> {
  return resolveAuth(auth)({ mechanism: 'PLAIN', username, password }, ORIGIN)
}

describe('users', () => {
  const auth = { users: { pi: 'secret', empty: '', größe: 'ß€😀' } }

  it.each([
    ['pi', 'secret'],
    ['empty', ''],
    ['größe', 'ß€😀'],
  ])('are let in with their own password: %s', async (username, password) => {
    expect(await decide(auth, username, password)).toEqual({ status: 200, user: { username } })
  })

  it.each([
    ['pi', 'Secret'],
    ['pi', ''],
    ['pi', 'secret '],
    ['empty', 'x'],
    ['nobody', ''],
    ['nobody', 'secret'],
    ['', ''],
    ['__proto__', ''],
    ['constructor', 'function Object() { [native code] }'],
    ['toString', ''],
  ])('are refused with any other: %s, %j', async (username, password) => {
    expect(await decide(auth, username, password)).toEqual({ status: 400 })
  })

  it('may be none: then nobody is let in', async () => {
    expect(await decide({ users: {} }, '', '')).toEqual({ status: 400 })
  })
})

describe('an authenticate function', () => {
  it('is told who comes from where, and its principal is passed on', async () => {
    const asked: unknown[] = []
    const principal = { username: 'pi', roles: ['admin'] }
    const authenticate: Auth['authenticate'] = (...given) => {
      asked.push(...given)
      return Promise.resolve(principal)
    }
    expect(await decide({ authenticate }, 'pi', 'secret')).toEqual({ status: 200, user: principal })
    expect(asked).toEqual([{ username: 'pi', password: 'secret' }, ORIGIN])
  })

  it.each([undefined, null, false, 0, '', 'pi', true])('lets nobody in by answering %j, which is no principal', async (answer) => {
    expect(await decide({ authenticate: () => answer as Principal | undefined }, 'pi', 'secret')).toEqual({ status: 400 })
    expect(await decide({ authenticate: async () => answer as Principal | undefined }, 'pi', 'secret')).toEqual({ status: 400 })
  })

  it('is not asked about other mechanisms: those are refused', async () => {
    const answer = await resolveAuth({ authenticate: () => ({ username: 'x' }) })({ mechanism: 'CURVE' } as never, ORIGIN)
    expect(answer).toEqual({ status: 400 })
  })
})

describe('what cannot be', () => {
  const tooLong = 'x'.repeat(256)

  it.each([
    ['nothing', {}, 'auth needs either users or authenticate'],
    ['both', { users: {}, authenticate: () => undefined }, 'auth needs either users or authenticate'],
    ['a long name', { users: { [tooLong]: 'p' } }, 'a username is over 255 bytes'],
    ['a long password', { users: { pi: tooLong } }, 'the password of pi is over 255 bytes'],
    ['a long password in bytes', { users: { pi: 'ß'.repeat(128) } }, 'the password of pi is over 255 bytes'],
    ['a password that is no text', { users: { pi: 1234 as unknown as string } }, 'the password of pi is not a string'],
  ])('is refused at once, without showing the password: %s', (_name, auth: Auth, text) => {
    expect(() => resolveAuth(auth)).toThrow(`[BAD_OPTION] ${text}`)
  })

  it('is refused in credentials, too', () => {
    expect(() => plainClientOptions({ username: 'pi', password: tooLong })).toThrow('[BAD_OPTION] credentials.password is over 255 bytes')
    expect(() => plainClientOptions({ username: tooLong, password: '' })).toThrow('[BAD_OPTION] credentials.username is over 255 bytes')
    expect(() => plainClientOptions({ username: 'pi' } as never)).toThrow('[BAD_OPTION] credentials.password is not a string')
  })

  it('shows no password when it is refused', () => {
    const password = `hunter2${tooLong}`
    for (const attempt of [() => resolveAuth({ users: { pi: password } }), () => plainClientOptions({ username: 'pi', password })]) {
      expect(inspect(thrownBy(attempt))).not.toContain('hunter2')
    }
  })
})

function thrownBy(attempt: () => unknown): unknown {
  try {
    attempt()
  } catch (error) {
    return error
  }
  throw new Error('it did not throw')
}
