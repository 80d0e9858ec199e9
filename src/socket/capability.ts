/** What this engine can do, in the words of the `zeromq` package. */

/** Transports and mechanisms that not every libzmq has. ipc needs UNIX domain sockets, which Node has not on Windows. */
export const capability: Readonly<{ ipc: boolean; curve: boolean }> = Object.freeze({ ipc: process.platform !== 'win32', curve: true })

/** The version of this package (`zeromq` gives libzmq's here). Written here and not read: importing costs no look at the disk. */
export const version = '0.1.0'
