/**
 * Requests and replies of the pyzmqrpc3 dialect, and the JSON reader below them.
 *
 * Properties: a request is never a reason to throw, a reply throws nothing but BAD_REPLY; the reader agrees with `JSON.parse`
 * wherever Python does; what is inflated has a limit.
 */

import { isDeepStrictEqual } from 'node:util'
import { deflateSync } from 'node:zlib'
import { ZmqRpcError } from '../../src/errors.ts'
import { Command } from '../../src/rpc/command/command.ts'
import { CommandRegistry } from '../../src/rpc/command/command-registry.ts'
import { parsePythonJson } from '../../src/rpc/dialect/python-json-reader.ts'
import { decodeCommand, decodeReply } from '../../src/rpc/dialect/pyzmqrpc3.ts'
import type { Random } from '../random.ts'
import { kindOf, must, type Pieces, type Target } from '../target.ts'

class Known extends Command {
  state: unknown

  override getCommandState(): unknown {
    return this.state
  }

  override setCommandState(state: unknown): void {
    this.state = state
  }
}

/** A class that does not take everything. */
class Choosy extends Command {
  override getCommandState(): unknown {
    return null
  }

  override setCommandState(state: unknown): void {
    if (typeof state !== 'object') throw new TypeError('no object')
  }
}

const REGISTRY = new CommandRegistry([Known, Choosy])
const LIMITS = { maxInflatedBytes: 64 * 1024, maxDepth: 100 }

const TOKENS = [
  '{"_icmd_": ["Known", ',
  '{"_icmd_": ["Choosy", ',
  '{"_icmd_": ["Nobody", ',
  '{"_icmd_": ',
  '["_icmd_"]',
  ']}',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  ' ',
  '\n',
  '"key": ',
  '"__proto__": ',
  '"constructor": ',
  '"status_code": 200',
  '"status_message": "OK"',
  '"response_message": ',
  '"text"',
  '"\\u00e9\\ud83d"',
  '"\\\\"',
  '"\\"',
  '"é😀"',
  'null',
  'true',
  'false',
  'NaN',
  '-Infinity',
  'Infinity',
  '0',
  '-0',
  '1.0',
  '1e400',
  '-1E-7',
  '9007199254740993',
  '123456789012345678901234567890',
  '01',
  '.5',
  '5.',
  '1e',
  '-',
  '\u0000',
  '\ufeff',
  '"1234567890123456789"',
  '[[[[[[[[',
  ']]]]]]]]',
  '0'.repeat(40),
  '7'.repeat(4301),
  '['.repeat(101),
] // prettier-ignore

const token = (random: Random): Buffer => Buffer.from(random.oneIn(30) ? random.bytes(1 + random.below(4)) : random.pick(TOKENS))

function value(random: Random, depth: number): string {
  if (depth === 0 || random.oneIn(3)) return random.pick(['1', '"a"', 'null', '2.5', 'NaN', '9007199254740993', 'true', '"é"'])
  const inner = Array.from({ length: random.below(3) }, () => value(random, depth - 1))
  if (random.oneIn(2)) return `[${inner.join(', ')}]`
  if (random.oneIn(3)) return `{"_icmd_": [${random.pick(['"Known"', '"Choosy"', '"Nobody"'])}, ${inner[0] ?? 'null'}]}`
  return `{${inner.map((item) => `${random.pick(['"key"', '"__proto__"', '"0"'])}: ${item}`).join(', ')}}`
}

const asCommand = (text: string): string => `{"_icmd_": ["Known", ${text}]}`

/** What the first byte of an input says: where the mutated bytes stand. */
const LAYERS = ['json', 'reply', 'request', 'zlib', 'base64'] as const

export const pyzmqrpc3Target: Target = {
  name: 'pyzmqrpc3',

  generate(random) {
    const layer = random.oneIn(8) ? random.below(LAYERS.length) : random.below(2)
    const head = Buffer.from([layer])
    const text = value(random, 4)
    switch (LAYERS[layer]) {
      case 'reply':
        return [
          head,
          Buffer.from('{"status_code": 200, '),
          Buffer.from('"status_message": "OK", '),
          Buffer.from(`"response_message": ${text}`),
          Buffer.from('}'),
        ]
      case 'zlib':
        return [head, deflateSync(random.oneIn(20) ? Buffer.alloc(random.pick([65_536, 65_537, 1_000_000]), '1') : asCommand(text))]
      case 'base64':
        return [head, Buffer.from(deflateSync(asCommand(text)).toString('base64'))]
      case 'request':
        return [head, ...split(asCommand(text), random)]
      default:
        return [head, ...split(text, random)]
    }
  },

  piece: token,

  run(input) {
    const content = Buffer.concat(input.slice(1))
    const layer = LAYERS[(input[0]?.[0] ?? 0) % LAYERS.length] ?? 'json'
    switch (layer) {
      case 'json':
        return `json ${json(content.toString('utf8'))}`
      case 'reply':
        return `reply ${reply(content)}`
      case 'request':
        return `request ${request(Buffer.from(deflateSync(content, { level: 1, memLevel: 1, windowBits: 9 }).toString('base64')))}`
      case 'zlib':
        return `zlib ${request(Buffer.from(content.toString('base64')))}`
      case 'base64':
        return `base64 ${request(content)}`
      default:
        return layer satisfies never
    }
  },
}

function split(text: string, random: Random): Pieces {
  const bytes = Buffer.from(text)
  const at = random.below(bytes.length + 1)
  return [bytes.subarray(0, at), bytes.subarray(at)]
}

function request(frame: Buffer): string {
  const decoded = decodeCommand(frame, REGISTRY, LIMITS)
  if (decoded.kind === 'command') {
    must(decoded.command instanceof Known || decoded.command instanceof Choosy, 'only registered classes are made')
    return decoded.name
  }
  must(decoded.detail.length < 2000 && decoded.statusText.length < 2000, 'what is told of a bad request is short', () => decoded.detail)
  return `${decoded.status} ${kindOf(decoded.detail).slice(0, 60)}`
}

function reply(frame: Buffer): string {
  try {
    const { status, result } = decodeReply(frame, LIMITS)
    must(typeof status === 'number', 'a status is a number')
    return typeof result
  } catch (error) {
    if (!(error instanceof ZmqRpcError && error.code === 'BAD_REPLY')) throw error
    return kindOf(error.message).slice(0, 60)
  }
}

function json(text: string): string {
  const strict = attempt(() => JSON.parse(text))
  const ours = attempt(() => parsePythonJson(text, LIMITS))
  if ('error' in ours) {
    must(ours.error instanceof SyntaxError, 'only SyntaxErrors are thrown', () => String(ours.error))
    const message = (ours.error as Error).message
    must(message.length < 200, 'the error is short', () => message)
    // Where JSON.parse is content, only our limits may object.
    if (!('error' in strict)) must(/nested deeper|more than 4300 digits/.test(message), 'what JSON.parse reads is read', () => message)
    return kindOf(message)
  }
  if ('error' in strict) must(/NaN|Infinity/.test(text), 'nothing is read that is no JSON of Python', () => text)
  else if (!/[0-9]{16}/.test(text)) must(isDeepStrictEqual(ours.value, strict.value), 'it is read as JSON.parse reads it', () => text)
  if (!('error' in strict) && !/[0-9]{16}/.test(text)) {
    // The quick way gives up at NaN: the slow one is to read the same.
    const slowly = attempt(() => parsePythonJson(`[NaN, ${text}]`, { maxDepth: LIMITS.maxDepth + 1 }))
    must(
      'value' in slowly && isDeepStrictEqual(slowly.value, [Number.NaN, strict.value]),
      'it is read slowly as it is read quickly',
      () => text,
    )
  }
  must(Object.getPrototypeOf({}) === Object.prototype && !('key' in {}), 'no prototype is touched')
  return typeof ours.value
}

function attempt(read: () => unknown): { value: unknown } | { error: unknown } {
  try {
    return { value: read() }
  } catch (error) {
    return { error }
  }
}
