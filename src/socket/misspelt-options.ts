/**
 * Setting a property whose name is nearly an option's throws, in plain JavaScript, too: `socket.sendHighWatermark = 1` would
 * otherwise do nothing, and nobody would know. Any other property may be set: subclasses have their own.
 *
 * It costs nothing where names are right: only a property that neither the socket nor its classes have gets to the end of the
 * prototype chain, where the guard stands.
 */

import { SocketError } from '../errors.ts'
import { nearestName } from '../options.ts'

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
  return nearestName(
    name,
    [...optionNames].filter((option) => option in socket),
  )
}
