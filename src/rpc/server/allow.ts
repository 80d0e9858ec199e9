/** Who may have a command carried out: the rule of one command, or of all those without a rule of their own. */

import { ZmqRpcError } from '../../errors.ts'
import type { Principal } from '../auth.ts'
import type { PeerInfo } from './service.ts'

/** What a rule that is a function decides by. */
export interface AllowRequest {
  /** Who calls; undefined where the server does not ask, or anybody with a key is let in. */
  readonly principal: Principal | undefined
  /** The command's name. */
  readonly command: string
  /** Where the call came from. */
  readonly peer: PeerInfo
}

/**
 * `authenticated` is whoever has a principal, by a password or a key. Users go by `principal.username`, roles by
 * `principal.roles`, an array of strings that `auth.authenticate` gives; one that matches is enough. A function decides for each
 * call; when it throws or rejects, the call is refused.
 */
export type Allow =
  | 'everyone'
  | 'authenticated'
  | 'nobody'
  | { readonly users?: readonly string[] | undefined; readonly roles?: readonly string[] | undefined }
  | ((request: AllowRequest) => boolean | Promise<boolean>)

/** A rule as it was given, checked. @throws ZmqRpcError BAD_OPTION for what is no rule. */
export function resolveAllow(option: string, given: unknown, fallback: Allow): Allow {
  if (given === undefined) return fallback
  if (given === 'everyone' || given === 'authenticated' || given === 'nobody' || typeof given === 'function') return given as Allow
  if (typeof given === 'object' && given !== null) {
    const { users, roles, ...rest } = given as { users?: unknown; roles?: unknown }
    const lists = [users, roles].filter((list) => list !== undefined)
    if (lists.length > 0 && lists.every(isListOfStrings) && Object.keys(rest).length === 0) return given as Allow
  }
  const forms = '"everyone", "authenticated", "nobody", { users, roles } with lists of names, or a function'
  throw new ZmqRpcError('BAD_OPTION', `${option} is no rule: it may be ${forms}`)
}

/** Whether a rule lets a call pass. Only a function may take its time; what it throws is thrown here, too. */
export function isAllowed(rule: Allow, request: AllowRequest): boolean | Promise<boolean> {
  if (typeof rule === 'function') {
    const answer: unknown = rule(request)
    // Without types, anything may be answered: only true is a yes.
    return typeof answer === 'boolean' ? answer : Promise.resolve(answer).then((settled) => settled === true)
  }
  const { principal } = request
  switch (rule) {
    case 'everyone':
      return true
    case 'authenticated':
      return principal !== undefined
    case 'nobody':
      return false
    default:
      if (principal === undefined) return false
      return (rule.users?.includes(principal.username) ?? false) || (rule.roles?.some((role) => rolesOf(principal).includes(role)) ?? false)
  }
}

/** Whether a rule lets a call pass, as far as it says so at once: one that takes its time, or throws, does not. */
export function isAllowedNow(rule: Allow, request: AllowRequest): boolean {
  try {
    const answer = isAllowed(rule, request)
    if (typeof answer === 'boolean') return answer
    answer.catch(() => {})
  } catch {
    // As for a call: what throws refuses.
  }
  return false
}

function rolesOf({ roles }: Principal): readonly unknown[] {
  return Array.isArray(roles) ? roles : []
}

function isListOfStrings(list: unknown): boolean {
  return Array.isArray(list) && list.every((one) => typeof one === 'string')
}
