/** What this engine can do, in the words of the `zeromq` package. */

import { createRequire } from 'node:module'

/** Transports and mechanisms that not every libzmq has. ipc needs UNIX domain sockets, which Node has not on Windows. */
export const capability: Readonly<{ ipc: boolean; curve: boolean }> = Object.freeze({ ipc: process.platform !== 'win32', curve: true })

/** The version of this package (`zeromq` gives libzmq's here). */
export const version: string = (createRequire(import.meta.url)('../../package.json') as { version: string }).version
