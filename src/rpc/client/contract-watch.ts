/**
 * Whether servers mean by a command what the client means: each tells the hashes of its contracts when it is connected, and the
 * client compares those of the commands that it knows or has used. What differs is asked for, and told in words.
 *
 * Nothing is asked of a server with the same contracts, and nothing at all is known of one that speaks the pyzmqrpc3 dialect, or does
 * not tell us what it serves.
 */

import { toError } from '../../errors.ts'
import { publish } from '../../observability/events.ts'
import type { CommandClass } from '../command/command.ts'
import { type Contract, contractOf } from '../command/contract.ts'
import { contractHash, describeContract, diffContracts, hashesDiffer } from '../command/contract-hash.ts'
import type { Hello } from '../dialect/native/message.ts'
import { wordsOf } from '../error/error-text.ts'
import { BUILT_IN_PREFIX, ListServices, type ServerDescription } from '../server/introspection.ts'

/** A server that tells its contracts. */
export interface WatchedServer {
  readonly endpoint: string
}

/** A command that a server means otherwise than we do. */
export interface ContractMismatch {
  /** The server, as in `req`. */
  readonly endpoint: string
  /** The command's name. */
  readonly command: string
  /** Where the two contracts differ, in words. */
  readonly differences: readonly string[]
}

export class ContractWatch<S extends WatchedServer> {
  readonly #ask: (server: S, question: ListServices) => Promise<ServerDescription>
  readonly #onMismatch: ((mismatch: ContractMismatch) => void) | undefined
  readonly #contracts = new Set<Contract>()
  /** What each server told last: hashes by the names of commands. */
  readonly #told = new Map<S, ReadonlyMap<string, string>>()

  constructor(
    known: readonly CommandClass[],
    ask: (server: S, question: ListServices) => Promise<ServerDescription>,
    onMismatch: ((mismatch: ContractMismatch) => void) | undefined,
  ) {
    for (const commandClass of known) this.#contracts.add(contractOf(commandClass))
    this.#ask = ask
    this.#onMismatch = onMismatch
  }

  /** A command is used. Costs next to nothing from the second time on. */
  uses(contract: Contract): void {
    if (this.#contracts.has(contract) || contract.name.startsWith(BUILT_IN_PREFIX)) return
    this.#contracts.add(contract)
    for (const server of this.#told.keys()) this.#compare(server, [contract])
  }

  /** A server is connected, or what it serves has changed. */
  heard(server: S, { contracts }: Hello): void {
    this.#told.set(server, new Map(contracts))
    this.#compare(server, [...this.#contracts])
  }

  #compare(server: S, contracts: readonly Contract[]): void {
    const told = this.#told.get(server)
    const differing = contracts.filter((contract) => {
      const hash = told?.get(contract.name)
      return hash !== undefined && hashesDiffer(contractHash(contract), hash)
    })
    if (differing.length > 0) void this.#tell(server, differing)
  }

  async #tell(server: S, contracts: readonly Contract[]): Promise<void> {
    const { endpoint } = server
    let described: ServerDescription['services'] = []
    let unknown = 'the server does not say how it means it'
    try {
      described = [...(await this.#ask(server, new ListServices(...contracts.map(({ name }) => name)))).services]
    } catch (error) {
      unknown = `the server did not answer how it means it: ${wordsOf(toError(error))}`
    }
    for (const contract of contracts) {
      const differences = differencesOf(contract, described) ?? [unknown]
      // Two libraries may word the same rules differently.
      if (differences.length === 0) continue
      const mismatch = { endpoint, command: contract.name, differences }
      publish('zmq-rpc:contract:mismatch', () => mismatch)
      try {
        this.#onMismatch?.(mismatch)
      } catch (error) {
        // Nobody's call, and so nobody's to catch.
        process.emitWarning(`onContractMismatch threw: ${wordsOf(toError(error))}`)
      }
    }
  }
}

/** Undefined where nothing is said about it. What was described comes from afar, and may be anything: this never throws. */
function differencesOf(contract: Contract, described: ServerDescription['services']): string[] | undefined {
  try {
    const theirs = described.find(({ name }) => name === contract.name)
    return theirs && diffContracts(describeContract(contract), theirs)
  } catch (error) {
    return [`what the server says of it cannot be read: ${wordsOf(toError(error))}`]
  }
}
