/**
 * Setting a property whose name is nearly an option's throws, in plain JavaScript, too: `socket.sendHighWatermark = 1` would
 * otherwise do nothing, and nobody would know. Any other property may be set: subclasses have their own.
 *
 * It costs nothing where names are right: only a property that neither the socket nor its classes have gets to the end of the
 * prototype chain, where the guard stands.
 */

import { SocketError } from '../errors.ts'

/** Letters that may be wrong, missing or too many. */
const MOST_EDITS = 2

/** Puts the guard behind the class that all sockets extend. */
export function guardOptionNames(prototype: object, optionNames: ReadonlySet<string>): void {
  const guard = new Proxy(Object.prototype, {
    set(target, name, value, receiver) {
      const meant = typeof name === 'string' ? nearestOption(name, receiver as object, optionNames) : undefined
      if (meant !== undefined) throw new SocketError('EINVAL', { text: `this socket has no option ${String(name)}: is ${meant} meant?` })
      return Reflect.set(target, name, value, receiver)
    },
  })
  Object.setPrototypeOf(prototype, guard)
}

/** The option of this socket that the name is most like, if it is much like any. */
export function nearestOption(name: string, socket: object, optionNames: ReadonlySet<string>): string | undefined {
  const wrong = name.toLowerCase()
  let nearest: string | undefined
  let least = MOST_EDITS + 1
  for (const option of optionNames) {
    if (!(option in socket)) continue
    const distance = edits(wrong, option.toLowerCase())
    // A short name is soon like any other.
    if (distance < least && distance * 3 < option.length) [nearest, least] = [option, distance]
  }
  return nearest
}

/** How many letters have to be changed, added or left out (Levenshtein). */
function edits(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MOST_EDITS) return MOST_EDITS + 1
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(changed, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
