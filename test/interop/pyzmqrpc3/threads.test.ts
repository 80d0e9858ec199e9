/** A server of ours whose services run in threads, called by pyzmqrpc3's client. */

import { describe, expect, it } from 'vitest'
import { RpcServer } from '../../../src/index.ts'
import { TYPESCRIPT } from '../../helpers/typescript.ts'
import { LOCAL, useEnds } from './ends.ts'
import { python } from './python-process.ts'

const ends = useEnds()

describe.skipIf(!python.available)('a Python client and our services in threads', () => {
  it('say to each other what they say without threads', async () => {
    const { endpoint: plain } = await ends.server()
    const server = new RpcServer({
      rep: LOCAL,
      services: new URL('./threads-services.ts', import.meta.url),
      threads: { count: 2, execArgv: TYPESCRIPT },
    })
    ends.defer(() => server.stop())
    await server.start()
    const outcomes: [unknown[], unknown[]] = [[], []]
    const commands = [
      "Echo({'deep': [1, 'two', None, 2.5, 'é']})",
      "Echo('x' * 300000)",
      'Describe([1, 2])',
      "Raise('no such thing')",
      'Picky(-1)',
      'Nothing(0)',
      'Unwritable(0)',
      'Orphan(0)',
    ]
    for (const [index, endpoint] of [plain, server.endpoints[0] as string].entries()) {
      const client = await ends.python.client(endpoint)
      for (const command of commands) {
        const { shown, value, error } = await client.execute(command)
        outcomes[index]?.push({ command, shown, value, error })
      }
    }
    expect(outcomes[1]).toEqual(outcomes[0])
    expect(outcomes[1]?.[0]).toMatchObject({ error: undefined })
  })
})
