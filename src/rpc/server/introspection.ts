/**
 * What a server tells about itself, as commands like any other: what it serves, with schemas, and how it is doing. Each asker
 * sees only what he may call.
 *
 * The answers hold nothing but what JSON can, so that pyzmqrpc3 clients can ask, too; what is not set is left out.
 */

import { Command } from '../command/command.ts'
import type { Contract } from '../command/contract.ts'
import { contractHash, describeContract } from '../command/contract-hash.ts'
import type { JsonSchema } from '../command/json-schema.ts'

/** Names of built-in commands begin so; no application's should. */
export const BUILT_IN_PREFIX = 'zmq-rpc.'

/** Asks a server what it serves: all that the asker may call, or of these only the ones that are named. */
export class ListServices extends Command<ServerDescription> {
  static readonly commandName: string = `${BUILT_IN_PREFIX}services`
  static readonly idempotent: boolean = true
  static readonly description: string = 'What this server serves, with schemas, as far as you may call it'
  /** Of the commands that are asked about; none: all. */
  names: readonly string[]

  /** @param names of commands; none: all */
  constructor(...names: string[]) {
    super()
    this.names = names
  }
}

/** Asks a server how it is doing. */
export class Health extends Command<HealthReport> {
  static readonly commandName: string = `${BUILT_IN_PREFIX}health`
  static readonly idempotent: boolean = true
  static readonly description: string = 'How this server is doing'
}

/** What {@link ListServices} is answered. */
export interface ServerDescription {
  /** The version of zmq-rpc that the server runs. */
  readonly version: string
  /** Numbers by the names of the server's options; those without a limit are left out. */
  readonly limits: Readonly<Record<string, number>>
  /** In the order of their names. */
  readonly services: readonly ServiceDescription[]
}

/** One command that a server carries out. */
export interface ServiceDescription {
  /** The command's name on the wire. */
  readonly name: string
  /** See `contractHash`. */
  readonly hash: string
  /** Whether the schemas are its contract; else they are what a new instance shows. */
  readonly hasSchemas: boolean
  /** JSON Schema (draft 2020-12) of the state. */
  readonly state: JsonSchema
  /** JSON Schema of the result, where it is known. */
  readonly result?: JsonSchema
  /** May be carried out twice without harm. */
  readonly idempotent: boolean
  /** Time for an answer, ms, where the call does not say; left out: the client's. */
  readonly timeoutMs?: number
  /** What it does, for people. */
  readonly description?: string
  /** Of the contract, for people. */
  readonly version?: string
  /** True, or what to use instead. */
  readonly deprecated?: boolean | string
  /** How many may be under way at a time. */
  readonly maxConcurrent?: number
}

/** What {@link Health} is answered. */
export interface HealthReport {
  /** `stopping`: what is under way is brought to its end, and nothing new is begun. */
  readonly status: 'serving' | 'stopping'
  /** The version of zmq-rpc that the server runs. */
  readonly version: string
  /** Since the server was started, ms. */
  readonly uptimeMs: number
  /** Calls under way. */
  readonly running: number
  /** Calls that wait for their turn. */
  readonly waiting: number
  /** Clients that are connected. */
  readonly clients: number
  /** Memory of the process, bytes. */
  readonly residentBytes: number
}

/** A command that is served, as the server knows it. */
export interface ServedCommand {
  readonly contract: Contract
  /** Infinity for no limit. */
  readonly maxConcurrent: number
}

/** What a server knows of itself. */
export interface ServerFacts {
  readonly version: string
  /** Infinity for no limit. */
  readonly limits: Readonly<Record<string, number>>
  readonly served: Iterable<ServedCommand>
}

/**
 * The answer to {@link ListServices}. Built-in commands are no part of it.
 *
 * @param mayCall whether the asker may call a command; where that throws or rejects, he may not
 */
export async function describeServer(
  { version, limits, served }: ServerFacts,
  { names }: Pick<ListServices, 'names'>,
  mayCall: (name: string) => boolean | Promise<boolean>,
): Promise<ServerDescription> {
  // Whatever came: a class of one's own takes its state over unchecked.
  const asked = Array.isArray(names) && names.length > 0 ? new Set<unknown>(names) : undefined
  const candidates = [...served].filter(({ contract: { name } }) => !name.startsWith(BUILT_IN_PREFIX) && (asked?.has(name) ?? true))
  const allowed = await Promise.all(candidates.map(async ({ contract }) => isAllowed(contract.name, mayCall)))
  const services = candidates.filter((_, index) => allowed[index]).map(describeService)
  const finite = Object.entries(limits).filter(([, limit]) => Number.isFinite(limit))
  return { version, limits: Object.fromEntries(finite), services: services.sort((a, b) => (a.name < b.name ? -1 : 1)) }
}

async function isAllowed(name: string, mayCall: (name: string) => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return (await mayCall(name)) === true
  } catch {
    return false
  }
}

function describeService({ contract, maxConcurrent }: ServedCommand): ServiceDescription {
  const { idempotent, timeoutMs, description, version, deprecated } = contract
  const { name, hasSchemas, state, result } = describeContract(contract)
  return {
    name,
    hash: contractHash(contract),
    hasSchemas,
    state,
    ...(result !== undefined && { result }),
    idempotent,
    ...(timeoutMs !== undefined && Number.isFinite(timeoutMs) && { timeoutMs }),
    ...(description !== undefined && { description }),
    ...(version !== undefined && { version }),
    ...(deprecated !== false && { deprecated }),
    ...(Number.isFinite(maxConcurrent) && { maxConcurrent }),
  }
}

/** The answer to {@link Health}. `startedAt`: of `performance.now()`. */
export function reportHealth(
  numbers: Pick<HealthReport, 'status' | 'version' | 'running' | 'waiting' | 'clients'> & { readonly startedAt: number },
): HealthReport {
  const { startedAt, ...known } = numbers
  return { ...known, uptimeMs: Math.round(performance.now() - startedAt), residentBytes: process.memoryUsage.rss() }
}
