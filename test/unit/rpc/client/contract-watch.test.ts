import { describe, expect, it } from 'vitest'
import { ContractWatch } from '../../../../src/rpc/client/contract-watch.ts'
import { Command } from '../../../../src/rpc/command/command.ts'

class Heat extends Command {
  celsius = 20
}

const HELLO = { features: [], contracts: [['Heat', '~0000000000000000']] as [string, string][] }

/** What is told when a server with another contract describes it so. */
async function toldOf(description: unknown): Promise<readonly string[]> {
  return new Promise((resolve) => {
    const watch = new ContractWatch(
      [Heat],
      async () => description as never,
      ({ differences }) => resolve(differences),
    )
    watch.heard({ endpoint: 'tcp://far.example:1' }, HELLO)
  })
}

describe('what a server answers when it is asked what it means by a command', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['services that are no list', { services: 5 }],
    ['a service that is none', { services: [null] }],
    ['a schema with what JSON cannot hold', { services: [{ name: 'Heat', state: { enum: [1n] } }] }],
    [
      'a schema that throws',
      {
        services: [
          {
            name: 'Heat',
            get state() {
              throw new Error('nobody reads this')
            },
          },
        ],
      },
    ],
  ])('may be %s: the mismatch is told, and nothing rejects', async (_name, description) => {
    expect(await toldOf(description)).toEqual([expect.stringMatching(/did not answer|cannot be read/)])
  })

  it('is compared with ours', async () => {
    const state = { type: 'object', properties: { celsius: { type: 'string' } } }
    expect(await toldOf({ services: [{ name: 'Heat', state }] })).toEqual(['field "celsius": number on the client, string on the server'])
    expect(await toldOf({ services: [] })).toEqual(['the server does not say how it means it'])
  })
})
