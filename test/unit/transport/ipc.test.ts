import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { beforeEach, describe, expect, it } from 'vitest'
import { ownPath, removeStale } from '../../../src/transport/ipc.ts'
import { temporaryFolder } from '../../helpers/folder.ts'

describe('a path that is taken', () => {
  let folder = ''
  beforeEach(() => {
    folder = temporaryFolder()
  })

  it('is free when the file has vanished meanwhile', async () => {
    expect(await removeStale(join(folder, 'gone'))).toBe(true)
  })

  it('is freed when nobody listens', async () => {
    const path = join(folder, 'left')
    // Closing removes the file of the name that was bound, which this one no longer has.
    const worker = new Worker(
      `const server = require('node:net').createServer().listen(${JSON.stringify(`${path}.new`)}, () => {
         require('node:fs').renameSync(${JSON.stringify(`${path}.new`)}, ${JSON.stringify(path)})
         server.close()
       })`,
      { eval: true },
    )
    await once(worker, 'exit')
    expect(existsSync(path)).toBe(true)
    expect(await removeStale(path)).toBe(true)
    expect(existsSync(path)).toBe(false)
  })

  it('stays as it is when somebody listens, or it is no socket', async () => {
    const [heard, text] = [join(folder, 'heard'), join(folder, 'text')]
    const server = createServer((socket) => socket.destroy()).listen(heard)
    await once(server, 'listening')
    writeFileSync(text, 'precious')
    expect([await removeStale(heard), await removeStale(text)]).toEqual([false, false])
    expect([existsSync(heard), existsSync(text)]).toEqual([true, true])
    await new Promise((resolve) => server.close(resolve))
  })
})

describe('a path of our own choice', () => {
  it('is a file of the temporary folder, on Windows a named pipe', () => {
    expect(ownPath('linux')).toMatch(/zmq-rpc-[-0-9a-f]{36}\.sock$/)
    expect(ownPath('win32')).toMatch(/^\\\\\.\\pipe\\zmq-rpc-[-0-9a-f]{36}$/)
    expect(ownPath('linux')).not.toBe(ownPath('linux'))
  })
})
