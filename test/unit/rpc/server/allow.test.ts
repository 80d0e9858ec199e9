import { describe, expect, it } from 'vitest'
import { ZmqRpcError } from '../../../../src/errors.ts'
import type { Principal } from '../../../../src/rpc/auth.ts'
import { type Allow, type AllowRequest, isAllowed, resolveAllow } from '../../../../src/rpc/server/allow.ts'

const peer: AllowRequest['peer'] = { endpoint: 'tcp://*:1', remoteAddress: undefined, kind: 'req' }
const pi: Principal = { username: 'pi', roles: ['sensor', 'kitchen'] }
const decide = (rule: Allow, principal: Principal | undefined) => isAllowed(rule, { principal, command: 'Heat', peer })

describe('a rule', () => {
  it.each<[string, Allow, Principal | undefined, boolean]>([
    ['lets everyone', 'everyone', undefined, true],
    ['lets whoever has a principal', 'authenticated', pi, true],
    ['lets nobody without one', 'authenticated', undefined, false],
    ['lets nobody', 'nobody', pi, false],
    ['lets a user by name', { users: ['ada', 'pi'] }, pi, true],
    ['lets no other user', { users: ['ada'] }, pi, false],
    ['lets nobody by an empty list', { users: [] }, pi, false],
    ['lets a user by one of the roles', { roles: ['admin', 'kitchen'] }, pi, true],
    ['lets no other role', { roles: ['admin'] }, pi, false],
    ['is met by name or role', { users: ['ada'], roles: ['sensor'] }, pi, true],
    ['by name lets nobody who has none', { users: ['undefined'], roles: ['sensor'] }, undefined, false],
    ['does not take a text for roles', { roles: ['s'] }, { username: 'x', roles: 's' as never }, false],
  ])('%s', (_what, rule, principal, expected) => {
    expect(decide(rule, principal)).toBe(expected)
  })

  it('may be a function of who, what and from where, now or later', async () => {
    const asked: AllowRequest[] = []
    const rule = (request: AllowRequest) => asked.push(request) > 0
    expect(decide(rule, pi)).toBe(true)
    expect(asked).toEqual([{ principal: pi, command: 'Heat', peer }])
    expect(await decide(async () => true, pi)).toBe(true)
    expect(await decide(async () => false, pi)).toBe(false)
  })

  it('that is a function says yes by true alone', async () => {
    for (const answer of [undefined, null, 1, 'yes', {}, []]) {
      expect(await decide(() => answer as never, pi)).toBe(false)
      expect(await decide(async () => answer as never, pi)).toBe(false)
    }
  })

  it('that throws does so to whoever asks', async () => {
    const broken = () => {
      throw new Error('no')
    }
    expect(() => decide(broken, pi)).toThrow('no')
    await expect(decide(async () => broken(), pi)).rejects.toThrow('no')
  })
})

describe('what is given as a rule', () => {
  it.each<[unknown]>([['everyone'], ['authenticated'], ['nobody'], [{ users: ['a'] }], [{ roles: [] }], [() => true]])(
    'may be %o',
    (rule) => {
      expect(resolveAllow('allow', rule, 'nobody')).toBe(rule)
    },
  )

  it('may be nothing: then it is the default', () => {
    expect(resolveAllow('allow', undefined, 'nobody')).toBe('nobody')
  })

  // A slip of the pen must not open a door.
  it.each<[unknown]>([
    ['every one'],
    [true],
    [null],
    [{}],
    [{ users: 'pi' }],
    [{ users: [1] }],
    [{ users: ['pi'], role: ['admin'] }],
    [['pi']],
  ])('may not be %o', (rule) => {
    expect(() => resolveAllow('allow', rule, 'everyone')).toThrow(ZmqRpcError)
    expect(() => resolveAllow('allow', rule, 'everyone')).toThrow(/^\[BAD_OPTION\] allow is no rule/)
  })
})
