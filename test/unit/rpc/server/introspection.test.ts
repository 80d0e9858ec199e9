import { describe, expect, it } from 'vitest'
import { Command } from '../../../../src/rpc/command/command.ts'
import { CommandRegistry } from '../../../../src/rpc/command/command-registry.ts'
import { command, contractOf } from '../../../../src/rpc/command/contract.ts'
import { contractHash } from '../../../../src/rpc/command/contract-hash.ts'
import { encodeReply } from '../../../../src/rpc/dialect/pyzmqrpc3.ts'
import { describeServer, Health, ListServices, reportHealth, type ServedCommand } from '../../../../src/rpc/server/introspection.ts'

class Greet extends Command<string> {
  static readonly idempotent = true
  static readonly timeoutMs = 5000
  static readonly description = 'Says hello'
  static readonly version = '2.0'
  static readonly deprecated = 'use Welcome'
  name = ''
}
const Heat = command('Heat')

const served: ServedCommand[] = [
  { contract: contractOf(Heat), maxConcurrent: Number.POSITIVE_INFINITY },
  { contract: contractOf(Greet), maxConcurrent: 2 },
  { contract: contractOf(Health), maxConcurrent: Number.POSITIVE_INFINITY },
]
const facts = { version: '1.2.3', limits: { maxConcurrentCalls: 1000, maxQueued: Number.POSITIVE_INFINITY }, served }
const everything = () => true

describe('a list of services', () => {
  it('says of each command what its contract says, by name, without the built-in ones', async () => {
    expect(await describeServer(facts, new ListServices(), everything)).toEqual({
      version: '1.2.3',
      limits: { maxConcurrentCalls: 1000 },
      services: [
        {
          name: 'Greet',
          hash: contractHash(contractOf(Greet)),
          hasSchemas: false,
          state: { type: 'object', properties: { name: { type: 'string' } } },
          idempotent: true,
          timeoutMs: 5000,
          description: 'Says hello',
          version: '2.0',
          deprecated: 'use Welcome',
          maxConcurrent: 2,
        },
        {
          name: 'Heat',
          hash: contractHash(contractOf(Heat)),
          hasSchemas: true,
          state: { type: 'object', properties: {} },
          idempotent: false,
        },
      ],
    })
  })

  it('has only what was asked for', async () => {
    const { services } = await describeServer(facts, new ListServices('Heat', 'Unknown'), everything)
    expect(services.map(({ name }) => name)).toEqual(['Heat'])
  })

  it('has only what the asker may call: where that throws, he may not', async () => {
    const rules: ((name: string) => boolean | Promise<boolean>)[] = [
      (name) => name === 'Greet',
      async (name) => name === 'Greet',
      (name) => {
        if (name !== 'Greet') throw new Error('no')
        return true
      },
      async (name) => name === 'Greet' || Promise.reject(new Error('no')),
      (name) => (name === 'Greet' ? true : ('yes' as never)),
    ]
    for (const mayCall of rules) {
      const { services } = await describeServer(facts, new ListServices(), mayCall)
      expect(services.map(({ name }) => name)).toEqual(['Greet'])
    }
  })

  it('is asked for by a command that travels, whatever a peer writes into it', async () => {
    const asked = new ListServices('Heat')
    expect(new CommandRegistry([ListServices, Health]).names()).toEqual(['zmq-rpc.services', 'zmq-rpc.health'])
    expect(asked.getCommandState()).toEqual({ names: ['Heat'] })
    asked.setCommandState({ names: 7 })
    expect((await describeServer(facts, asked, everything)).services).toHaveLength(2)
  })

  it('can be written for a pyzmqrpc3 client', async () => {
    const result = await describeServer(facts, new ListServices(), everything)
    expect(() => encodeReply({ status: 200, statusText: 'OK', result })).not.toThrow()
  })
})

describe('a report of health', () => {
  it('tells the numbers that it is given, its age, and the memory of the process', () => {
    const numbers = { status: 'serving', version: '1.2.3', running: 1, waiting: 2, clients: 3 } as const
    const report = reportHealth({ ...numbers, startedAt: performance.now() - 5000 })
    expect(report).toMatchObject(numbers)
    expect(report.uptimeMs).toBeGreaterThanOrEqual(5000)
    expect(report.residentBytes).toBeGreaterThan(1_000_000)
    expect(Object.keys(report)).not.toContain('startedAt')
  })
})
