/** One server process of ours, and clients of every kind at the same time. */

import { describe, expect, it } from 'vitest'
import { loadLibzmq, peer } from '../../helpers/peers.ts'
import { Echo } from './commands.ts'
import { LOCAL, useEnds } from './ends.ts'
import { OurProcess } from './our-process.ts'
import { PythonProcess, python } from './python-process.ts'

const ends = useEnds()

const CALLS = 40
const ADA = { username: 'ada', password: 'secret' }

describe.skipIf(!python.available)('one server process of ours', () => {
  it.each([
    ['without passwords', undefined],
    ['with passwords', ADA],
  ])('serves 50 Python clients, 50 of ours and one of libzmq at once, %s', async (_name, credentials) => {
    const process = new OurProcess()
    ends.defer(() => process.close())
    const auth = credentials && { users: { [credentials.username]: credentials.password } }
    const [endpoint] = (await process.serve({ rep: LOCAL, auth })) as [string]
    const fleets = Array.from({ length: 4 }, () => new PythonProcess())
    for (const fleet of fleets) ends.defer(() => fleet.close())

    const wrong = await Promise.all([
      ...[...fleets, ends.python].map((fleet) => fleet.crowd(endpoint, 10, CALLS, credentials)),
      ...Array.from({ length: 50 }, (_, number) => ourCrowd(endpoint, number, credentials)),
      libzmq(endpoint, credentials),
    ])
    expect(wrong.flat()).toEqual([])
  })

  async function ourCrowd(endpoint: string, number: number, credentials: typeof ADA | undefined): Promise<unknown[]> {
    const client = ends.client({ req: endpoint, credentials, timeoutMs: 15_000 })
    const values = Array.from({ length: CALLS }, (_, call) => ({ ours: number, call, text: 'é'.repeat(call) }))
    const results = await Promise.all(values.map((value) => client.execute(new Echo(value))))
    return values.filter((value, index) => JSON.stringify(results[index]) !== JSON.stringify(value))
  }

  async function libzmq(endpoint: string, credentials: typeof ADA | undefined): Promise<unknown[]> {
    if (!peer('libzmq').available) return []
    const { Request } = await loadLibzmq()
    const plain = credentials && { plainUsername: credentials.username, plainPassword: credentials.password }
    const request = new Request({ linger: 0, receiveTimeout: 15_000, ...plain })
    ends.defer(() => request.close())
    request.connect(endpoint)
    const message = (await ends.python.evaluate(`zipped('{"_icmd_": ["Echo", {"value": "libzmq"}]}')`)).value as string
    const wrong: string[] = []
    for (let call = 0; call < CALLS; call++) {
      await request.send(message)
      const [reply] = await request.receive()
      if (String(reply) !== '{"status_code": 200, "status_message": "OK", "response_message": "libzmq"}') wrong.push(String(reply))
    }
    return wrong
  }
})
