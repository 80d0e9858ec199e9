/** Errors as Node makes them of the operating system's. */

import { constants } from 'node:os'

type Code = 'ECONNRESET' | 'ECONNREFUSED' | 'EHOSTUNREACH' | 'ETIMEDOUT' | 'EADDRINUSE' | 'EADDRNOTAVAIL' | 'ENOENT' | 'ENOTFOUND'

/** `where` is `address:port` or a path. */
export function systemError(code: Code, syscall: string, where?: string): NodeJS.ErrnoException {
  const number = (constants.errno as Record<string, number>)[code]
  const errno = number === undefined ? -3008 : -number
  return Object.assign(new Error(`${syscall} ${code}${where === undefined ? '' : ` ${where}`}`), { code, errno, syscall })
}
