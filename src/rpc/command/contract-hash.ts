/**
 * Do client and server mean the same by a command? A short hash of its contract tells that they do, or that they may not; the
 * difference in words tells where.
 *
 * Only what decides over values counts: types, fields, limits. Titles, descriptions, defaults and the order of things do not.
 * Two libraries may write the same rules differently, so another hash is a reason to look, not an error; and of a class of
 * one's own only the fields of a new instance are known, which says nothing against a schema.
 */

import { createHash } from 'node:crypto'
import { pathStep } from '../dialect/unwritable.ts'
import type { Contract } from './contract.ts'
import { type JsonSchema, STREAM_KEYWORD } from './json-schema.ts'

/** In front of the hash of a contract without schemas. */
const FIELDS_ONLY = '~'
const HASH_DIGITS = 16

const MAX_DEPTH = 30
/** Schemas come from afar, too. */
const MAX_COMPARED = 10_000
const MAX_LINES = 50

/** Say something to people, and nothing about values. */
const ANNOTATIONS = new Set([
  '$schema',
  '$id',
  '$comment',
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
])
/** Their keys are names, not words of JSON Schema. */
const MAPS_OF_SCHEMAS = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'])
/** Lists whose order says nothing. */
const SETS = new Set(['required', 'enum', 'type', 'anyOf', 'oneOf', 'allOf'])
/** Hold values. */
const DATA = new Set(['const', 'enum'])

const HASHES = new WeakMap<Contract, string>()

/** The hash of a contract, worked out once: 16 hexadecimal digits, with `~` in front where only the fields of a class are known. */
export function contractHash(contract: Contract): string {
  let hash = HASHES.get(contract)
  if (hash === undefined) {
    const schemas = [contract.stateSchema(), contract.resultSchema() ?? null].map((schema) => canonical(schema, undefined, 0))
    const digest = createHash('sha256').update(JSON.stringify([contract.name, ...schemas]))
    hash = (contract.hasSchemas ? '' : FIELDS_ONLY) + digest.digest('hex').slice(0, HASH_DIGITS)
    HASHES.set(contract, hash)
  }
  return hash
}

/** Whether two hashes say that the contracts differ. One with schemas and one without cannot be compared: false. */
export function hashesDiffer(one: string, other: string): boolean {
  return one !== other && one.startsWith(FIELDS_ONLY) === other.startsWith(FIELDS_ONLY)
}

/** Sorted, and without what says nothing about values. */
function canonical(value: unknown, key: string | undefined, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth > MAX_DEPTH) return null
  if (Array.isArray(value)) {
    const items = value.map((item) => canonical(item, key !== undefined && DATA.has(key) ? 'const' : undefined, depth + 1))
    return key !== undefined && SETS.has(key) ? items.sort((a, b) => compare(JSON.stringify(a) ?? '', JSON.stringify(b) ?? '')) : items
  }
  const isSchema = key === undefined || !(MAPS_OF_SCHEMAS.has(key) || DATA.has(key))
  const members = Object.entries(value).filter(([name]) => !isSchema || !ANNOTATIONS.has(name))
  const inner = (name: string) => (isSchema ? name : key !== undefined && DATA.has(key) ? key : undefined)
  return Object.fromEntries(
    members.sort(([a], [b]) => compare(a, b)).map(([name, member]) => [name, canonical(member, inner(name), depth + 1)]),
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** What is compared: of one's own {@link Contract} see {@link describeContract}; a server describes its own to those who ask. */
export interface ContractSchemas {
  readonly name: string
  readonly hasSchemas: boolean
  readonly state: JsonSchema
  readonly result?: JsonSchema | undefined
}

export function describeContract(contract: Contract): ContractSchemas {
  const result = contract.resultSchema()
  return { name: contract.name, hasSchemas: contract.hasSchemas, state: contract.stateSchema(), ...(result && { result }) }
}

/**
 * Where two contracts of one command differ, in words; at most 50 lines. Empty when nothing is known against them.
 *
 * @example `field "setpoint" is missing on the server`, `field "rate": number on the client, string on the server`
 */
export function diffContracts(client: ContractSchemas, server: ContractSchemas): string[] {
  const lines: string[] = []
  // What a new instance shows says nothing of what is required, nor of limits.
  const comparison = new Comparison(lines, client.hasSchemas && server.hasSchemas)
  comparison.schemas(client.state, server.state, { client: client.state, server: server.state, path: '', root: 'the state' })
  if (client.result !== undefined && server.result !== undefined) {
    comparison.schemas(client.result, server.result, { client: client.result, server: server.result, path: '', root: 'the result' })
  }
  return lines
}

interface Place {
  /** What `$ref` refers to. */
  readonly client: JsonSchema
  readonly server: JsonSchema
  readonly path: string
  readonly root: 'the state' | 'the result'
}

/** Decide over values besides the type. */
const LIMITS = [
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'pattern',
  'format',
  'minItems',
  'maxItems',
]

class Comparison {
  readonly #lines: string[]
  readonly #strict: boolean
  #left = MAX_COMPARED

  constructor(lines: string[], strict: boolean) {
    this.#lines = lines
    this.#strict = strict
  }

  schemas(clientSchema: unknown, serverSchema: unknown, place: Place, depth = 0): void {
    if (this.#left-- <= 0 || depth > MAX_DEPTH) return
    const client = resolve(clientSchema, place.client)
    const server = resolve(serverSchema, place.server)
    if (client === undefined || server === undefined) return
    const [here, there] = [kindOf(client), kindOf(server)]
    // Where one side says nothing, there is nothing to be said against it.
    if (here === undefined || there === undefined) return
    if (here !== there) {
      if (this.#strict || areFarApart(here, there)) this.#say(place, `${here} on the client, ${there} on the server`)
      return
    }
    if (this.#strict) this.#limits(client, server, place)
    this.#fields(client, server, place, depth)
    for (const key of ['items', STREAM_KEYWORD]) {
      this.schemas(client[key], server[key], { ...place, path: `${place.path}[]` }, depth + 1)
    }
  }

  #fields(client: JsonSchema, server: JsonSchema, place: Place, depth: number): void {
    const [here, there] = [entriesOf(client), entriesOf(server)]
    if (here === undefined || there === undefined) return
    const at = (key: string): Place => ({ ...place, path: `${place.path}${pathStep(key)}` })
    for (const [key, schema] of here) {
      if (!there.has(key)) this.#say(at(key), 'is missing on the server')
      else this.schemas(schema, there.get(key), at(key), depth + 1)
    }
    const [requiredHere, requiredThere] = [requiredOf(client), requiredOf(server)]
    for (const key of there.keys()) {
      const [one, other] = [requiredHere.has(key), requiredThere.has(key)]
      if (!here.has(key)) this.#say(at(key), `is missing on the client${this.#strict && other ? ', and required' : ''}`)
      else if (this.#strict && one !== other) this.#say(at(key), `is required on the ${one ? 'client' : 'server'} alone`)
    }
    const closed = [client, server].map(({ additionalProperties }) => additionalProperties === false)
    if (this.#strict && closed[0] !== closed[1])
      this.#say(place, `other fields are refused on the ${closed[0] ? 'client' : 'server'} alone`)
  }

  #limits(client: JsonSchema, server: JsonSchema, place: Place): void {
    for (const key of LIMITS) {
      const [here, there] = [client[key], server[key]]
      if (here !== there) this.#say(place, `${key} is ${show(here)} on the client, ${show(there)} on the server`)
    }
  }

  #say({ path, root }: Place, words: string): void {
    if (this.#lines.length >= MAX_LINES) return
    const name = path.replace(/^\./, '').slice(0, 200)
    const ofResult = root === 'the result' ? ' of the result' : ''
    const where = name === '' ? root : name === '[]' ? `an item of ${root}` : `field "${name}"${ofResult}`
    this.#lines.push(`${where}${words.startsWith('is ') ? ' ' : ': '}${words}`)
  }
}

/** `$ref` within the same schema. */
function resolve(schema: unknown, root: JsonSchema): JsonSchema | undefined {
  let current = schema
  for (let hops = 0; hops < MAX_DEPTH; hops++) {
    if (typeof current !== 'object' || current === null) return undefined
    const { $ref } = current as { $ref?: unknown }
    if ($ref === undefined) return current as JsonSchema
    if (typeof $ref !== 'string' || !$ref.startsWith('#')) return undefined
    current = $ref
      .split('/')
      .slice(1)
      .reduce<unknown>((owner, step) => {
        const key = step.replaceAll('~1', '/').replaceAll('~0', '~')
        return typeof owner === 'object' && owner !== null && Object.hasOwn(owner, key) ? (owner as JsonSchema)[key] : undefined
      }, root)
  }
  return undefined
}

/** In a word; undefined for a schema that says nothing about it. */
function kindOf(schema: JsonSchema): string | undefined {
  if (STREAM_KEYWORD in schema) return 'a stream'
  const { type } = schema
  const values = Array.isArray(schema['enum']) ? (schema['enum'] as unknown[]) : 'const' in schema ? [schema['const']] : undefined
  if (values !== undefined) return `one of ${values.map(show).sort().join(', ').slice(0, 200)}`
  if (typeof type === 'string') return type
  if (Array.isArray(type)) return type.map(String).sort().join(' or ').slice(0, 200)
  const variants = schema['anyOf'] ?? schema['oneOf']
  return Array.isArray(variants) ? `one of ${variants.length} variants` : undefined
}

const KINDS = new Set(['string', 'number', 'boolean', 'object', 'array'])

/** Of what a class shows in a new instance, only the kind counts: a field may well be meant to hold a few words, or whole numbers. */
function areFarApart(one: string, other: string): boolean {
  const [first, second] = [one, other].map((kind) => (kind === 'integer' ? 'number' : kind)) as [string, string]
  return first !== second && KINDS.has(first) && KINDS.has(second)
}

function entriesOf({ properties }: JsonSchema): Map<string, unknown> | undefined {
  return typeof properties === 'object' && properties !== null ? new Map(Object.entries(properties)) : undefined
}

function requiredOf({ required }: JsonSchema): Set<unknown> {
  return new Set(Array.isArray(required) ? required : [])
}

function show(value: unknown): string {
  if (value === undefined) return 'not set'
  return (JSON.stringify(value) ?? typeof value).slice(0, 50)
}
