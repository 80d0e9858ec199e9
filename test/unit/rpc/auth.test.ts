import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type Auth, type CurveAuth, clientOptions, type Principal, serverOptions } from '../../../src/rpc/auth.ts'
import { curveKeyPair } from '../../../src/socket/index.ts'

const ORIGIN = { endpoint: 'tcp://127.0.0.1:1', remoteAddress: 'tcp://127.0.0.1:2' }

async function decide(auth: Auth, username: string, password: string): Promise<unknown> {
  return serverOptions(auth).authenticate?.({ mechanism: 'PLAIN', username, password }, ORIGIN)
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

  it('may have roles, which their principal has then, too', async () => {
    const roles = ['admin']
    const users = { pi: { password: 'secret', roles }, plain: { password: 'x' } }
    const principal = { username: 'pi', roles: ['admin'] }
    expect(await decide({ users }, 'pi', 'secret')).toEqual({ status: 200, user: principal })
    roles.push('root')
    expect(await decide({ users }, 'plain', 'x')).toEqual({ status: 200, user: { username: 'plain' } })
    expect(await decide({ users }, 'pi', 'admin')).toEqual({ status: 400 })
  })

  it('do not share what a service writes into their principal', async () => {
    const { authenticate } = serverOptions({ users: { pi: 'secret' } })
    const come = async () => {
      const answer = await authenticate?.({ mechanism: 'PLAIN', username: 'pi', password: 'secret' }, ORIGIN)
      return (answer as { user: object }).user
    }
    Object.assign(await come(), { note: 1 })
    expect(await come()).toEqual({ username: 'pi' })
  })

  it.each([['admin'], [[1]], [{}]])('are refused with roles that are none: %j', (roles) => {
    expect(() => serverOptions({ users: { pi: { password: 'secret', roles: roles as never } } })).toThrow(
      '[BAD_OPTION] the roles of pi are no array of strings',
    )
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
    const answer = await serverOptions({ authenticate: () => ({ username: 'x' }) }).authenticate?.({ mechanism: 'CURVE' } as never, ORIGIN)
    expect(answer).toEqual({ status: 400 })
  })
})

describe('keys', () => {
  const server = curveKeyPair()
  const [pi, eve] = [curveKeyPair(), curveKeyPair()]

  async function decideKey(curve: Omit<CurveAuth, 'secretKey'>, publicKey: string): Promise<unknown> {
    const options = serverOptions({ curve: { secretKey: server.secretKey, ...curve } })
    expect(options).toMatchObject({ curveServer: true, curveSecretKey: server.secretKey })
    return options.authenticate?.({ mechanism: 'CURVE', publicKey }, ORIGIN)
  }

  it('that are allowed let in, and stand for a username that is not given', async () => {
    const { publicKey } = pi
    expect(await decideKey({ allow: [publicKey] }, publicKey)).toEqual({ status: 200, user: { username: publicKey, publicKey } })
    expect(await decideKey({ allow: { pi: publicKey } }, publicKey)).toEqual({ status: 200, user: { username: 'pi', publicKey } })
    const roles = ['admin']
    expect(await decideKey({ allow: { pi: { publicKey, roles } } }, publicKey)).toEqual({
      status: 200,
      user: { username: 'pi', publicKey, roles },
    })
  })

  it.each(['', '__proto__', eve.publicKey, pi.publicKey.slice(1)])('that are not allowed do not: %s', async (key) => {
    for (const allow of [[], [pi.publicKey], {}, { pi: pi.publicKey }]) expect(await decideKey({ allow }, key)).toEqual({ status: 400 })
  })

  it('that are allowed are asked about, no others', async () => {
    const asked: unknown[] = []
    const authenticate: CurveAuth['authenticate'] = (...given) => {
      asked.push(given)
      return { username: 'somebody' }
    }
    expect(await decideKey({ authenticate }, eve.publicKey)).toEqual({ status: 200, user: { username: 'somebody' } })
    expect(await decideKey({ authenticate, allow: [pi.publicKey] }, eve.publicKey)).toEqual({ status: 400 })
    expect(await decideKey({ authenticate, allow: [pi.publicKey] }, pi.publicKey)).toEqual({ status: 200, user: { username: 'somebody' } })
    expect(asked).toEqual([eve, pi].map(({ publicKey }) => [{ publicKey }, ORIGIN]))
    expect(await decideKey({ authenticate: async () => undefined, allow: [pi.publicKey] }, pi.publicKey)).toEqual({ status: 400 })
  })

  it('are not asked about when nobody is to decide', () => {
    expect(serverOptions({ curve: { secretKey: server.secretKey } })).toEqual({ curveServer: true, curveSecretKey: server.secretKey })
  })

  it('do not stand in for a password', async () => {
    const { authenticate } = serverOptions({ curve: { secretKey: server.secretKey, authenticate: () => ({ username: 'x' }) } })
    expect(await authenticate?.({ mechanism: 'PLAIN', username: 'x', password: 'x' }, ORIGIN)).toEqual({ status: 400 })
  })

  it('of a client are made, worked out or checked', () => {
    const serverKey = server.publicKey
    const own = { curveServerKey: serverKey, curveSecretKey: pi.secretKey, curvePublicKey: pi.publicKey }
    expect(clientOptions({ curve: { serverKey, ...pi } })).toEqual(own)
    expect(clientOptions({ curve: { serverKey, secretKey: pi.secretKey } })).toEqual(own)
    const made = [clientOptions({ curve: { serverKey } }), clientOptions({ curve: { serverKey } })]
    expect(made[0]?.curvePublicKey).not.toBe(made[1]?.curvePublicKey)
    const again = clientOptions({ curve: { serverKey, secretKey: made[0]?.curveSecretKey as string } })
    expect(again).toEqual(made[0])
  })

  it.each<[string, () => unknown, string]>([
    ['no secret key', () => serverOptions({ curve: {} as never }), 'auth.curve.secretKey is not a CURVE key'],
    ['a short one', () => serverOptions({ curve: { secretKey: pi.secretKey.slice(5) } }), 'auth.curve.secretKey is not a CURVE key'],
    ['none but a key', () => serverOptions({ curve: { secretKey: 'é'.repeat(40) } }), 'auth.curve.secretKey is not a CURVE key'],
    ['a name allowed', () => serverOptions({ curve: { ...pi, allow: ['pi'] } }), 'a key of auth.curve.allow is not a CURVE key'],
    ['users, too', () => serverOptions({ users: {}, curve: pi }), 'auth needs either users or authenticate, or curve'],
    [
      "another's half",
      () => serverOptions({ curve: { secretKey: pi.secretKey, publicKey: eve.publicKey } }),
      'auth.curve.publicKey does not belong to its secretKey',
    ],
    ['no server key', () => clientOptions({ curve: {} as never }), 'credentials.curve.serverKey is not a CURVE key'],
    [
      'half a pair',
      () => clientOptions({ curve: { serverKey: server.publicKey, publicKey: pi.publicKey } }),
      'a publicKey without its secretKey',
    ],
    [
      'another half',
      () => clientOptions({ curve: { serverKey: server.publicKey, secretKey: pi.secretKey, publicKey: eve.publicKey } }),
      'does not belong to its secretKey',
    ],
  ])('that cannot be are refused at once, and not shown: %s', (_name, attempt, text) => {
    const error = thrownBy(attempt)
    expect(String(error)).toContain(`[BAD_OPTION] `)
    expect(String(error)).toContain(text)
    expect(inspect(error)).not.toContain(pi.secretKey.slice(5))
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
    expect(() => serverOptions(auth)).toThrow(`[BAD_OPTION] ${text}`)
  })

  it('is refused in credentials, too', () => {
    expect(() => clientOptions({ username: 'pi', password: tooLong })).toThrow('[BAD_OPTION] credentials.password is over 255 bytes')
    expect(() => clientOptions({ username: tooLong, password: '' })).toThrow('[BAD_OPTION] credentials.username is over 255 bytes')
    expect(() => clientOptions({ username: 'pi' } as never)).toThrow('[BAD_OPTION] credentials.password is not a string')
  })

  it('shows no password when it is refused', () => {
    const password = `hunter2${tooLong}`
    for (const attempt of [() => serverOptions({ users: { pi: password } }), () => clientOptions({ username: 'pi', password })]) {
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
