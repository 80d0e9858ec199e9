/**
 * Reads what stands behind the header of a message: MessagePack with the extension types of the native dialect.
 *
 * It is fed by strangers. Rules it keeps:
 * - Whatever the bytes are, the outcome is a value or a {@link NativeError}; only what hooks throw comes through as it is.
 * - A few bytes never stand for much memory or time: a count or length is held against the bytes that are left before anything
 *   is made of it, depth and the number of containers and their members have limits, and a frame is used once at most.
 * - Keys are data: `__proto__` is a field like others.
 * - What it returns holds no part of the body; a binary in a frame of its own is that frame.
 */

import { isUtf8 } from 'node:buffer'
import type { Message } from '../../../wire/index.ts'
import { setField } from '../../command/command.ts'
import { asciiKey, shortAscii } from './ascii.ts'
import { bigintOf } from './bigints.ts'
import { viewOf } from './binary.ts'
import { EXT, MAX_BIGINT_BYTES, MAX_DEPTH, MAX_ITEMS, MAX_NODES } from './format.ts'
import { HEADER_BYTES } from './header.ts'
import { NativeError } from './native-error.ts'

/** Makes what only the call knows. A value that needs a hook which is absent is an error. */
export interface ReadHooks {
  /** A command stands in the value. What this throws comes through. */
  command?(name: string, state: unknown): unknown
  /** A stream stands in the value, of that number. */
  stream?(number: number): unknown
}

/** What a peer may make us hold. */
export interface ReadLimits {
  /** Containers around a value. @default 1000 */
  readonly maxDepth?: number
  /**
   * Values of a message that are more than a word of memory, all together: arrays, objects, Maps, Sets, commands, members and entries
   * of theirs, binaries, dates, bigints. @default 1000000
   */
  readonly maxNodes?: number
  /** Items of a message's arrays. @default 8000000 */
  readonly maxItems?: number
}

const NO_HOOKS: ReadHooks = {}
const NO_LIMITS: ReadLimits = {}

/** Arrays of so few items are made as long as they will be: a push would make room for 17, which many of them would never fill. */
const EXACT_ITEMS = 16

const FLOAT = new Float64Array(1)
const FLOAT_BYTES = new Uint8Array(FLOAT.buffer)
FLOAT[0] = 1
/** Where the most significant byte of {@link FLOAT} is. */
const FLOAT_FIRST = FLOAT_BYTES[7] === 0x3f ? 7 : 0
const FLOAT_STEP = FLOAT_FIRST === 7 ? -1 : 1

/** Reads one message, from behind its header on. */
export class NativeReader {
  readonly #frames: Message
  readonly #bytes: Buffer
  readonly #hooks: ReadHooks
  readonly #maxDepth: number
  #nodesLeft: number
  #itemsLeft: number
  #at = HEADER_BYTES
  /** Where the body ends; within an extension, where that does. */
  #end: number
  #depth = 0
  #lastFrame = 0

  /** @throws NativeError without a whole header. */
  constructor(body: Message, hooks: ReadHooks = NO_HOOKS, limits: ReadLimits = NO_LIMITS) {
    const bytes = body[0]
    if (bytes === undefined || bytes.length < HEADER_BYTES) throw new NativeError('the message has no whole header')
    this.#frames = body
    this.#bytes = bytes
    this.#end = bytes.length
    this.#hooks = hooks
    this.#maxDepth = limits.maxDepth ?? MAX_DEPTH
    this.#nodesLeft = limits.maxNodes ?? MAX_NODES
    this.#itemsLeft = limits.maxItems ?? MAX_ITEMS
  }

  /** How far it has read, and where another reader of the same message can go on. */
  get position(): number {
    return this.#at
  }

  set position(at: number) {
    this.#at = at
  }

  /** Any value. */
  value(): unknown {
    const head = this.#byte()
    if (head < 0x80) return head
    if (head < 0x90) return this.#object(head & 0x0f)
    if (head < 0xa0) return this.#array(head & 0x0f)
    if (head < 0xc0) return this.#text(head & 0x1f)
    if (head >= 0xe0) return head - 0x100
    switch (head) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
        return this.#binary(this.#byte())
      case 0xc5:
        return this.#binary(this.#uint16())
      case 0xc6:
        return this.#binary(this.#uint32())
      case 0xc7:
        return this.#extension(this.#byte())
      case 0xc8:
        return this.#extension(this.#uint16())
      case 0xc9:
        return this.#extension(this.#uint32())
      case 0xca:
        return this.#bytes.readFloatBE(this.#take(4))
      case 0xcb:
        return this.#float64()
      case 0xcc:
        return this.#byte()
      case 0xcd:
        return this.#uint16()
      case 0xce:
        return this.#uint32()
      case 0xcf:
        return this.#int64(this.#uint32())
      case 0xd0:
        return (this.#byte() << 24) >> 24
      case 0xd1:
        return (this.#uint16() << 16) >> 16
      case 0xd2:
        return this.#uint32() | 0
      case 0xd3:
        return this.#int64(this.#uint32() | 0)
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (head - 0xd4))
      case 0xd9:
        return this.#text(this.#byte())
      case 0xda:
        return this.#text(this.#uint16())
      case 0xdb:
        return this.#text(this.#uint32())
      case 0xdc:
        return this.#array(this.#uint16())
      case 0xdd:
        return this.#array(this.#uint32())
      case 0xde:
        return this.#object(this.#uint16())
      case 0xdf:
        return this.#object(this.#uint32())
      default:
        return this.#fail('a byte that begins no value')
    }
  }

  /** A string, and nothing else. `what` it is says the error. */
  text(what: string): string {
    const head = this.#byte()
    if (head >= 0xa0 && head < 0xc0) return this.#text(head & 0x1f)
    this.#at--
    const isText = head === 0xd9 || head === 0xda || head === 0xdb
    if (isText || this.#isUtf16()) return this.value() as string
    return this.#fail(`${what} is no string`)
  }

  /** A string, or nil, which is `undefined`. */
  textOrNil(what: string): string | undefined {
    if (this.#bytes[this.#at] !== 0xc0 || this.#at >= this.#end) return this.text(what)
    this.#at++
    return undefined
  }

  /** A whole number from 0. */
  count(what: string): number {
    const value = this.value()
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : this.#fail(`${what} is no whole number`)
  }

  /** The head of an array: how many values follow. */
  array(what: string): number {
    const head = this.#byte()
    if (head >= 0x90 && head < 0xa0) return this.#checked(head & 0x0f, 1)
    if (head === 0xdc) return this.#checked(this.#uint16(), 1)
    if (head === 0xdd) return this.#checked(this.#uint32(), 1)
    return this.#fail(`${what} is no array`)
  }

  /** The head of a map: how many pairs follow. */
  map(what: string): number {
    const head = this.#byte()
    if (head >= 0x80 && head < 0x90) return this.#checked(head & 0x0f, 2)
    if (head === 0xde) return this.#checked(this.#uint16(), 2)
    if (head === 0xdf) return this.#checked(this.#uint32(), 2)
    return this.#fail(`${what} is no map`)
  }

  /** An object, key by key into the fields of a command (`setField`). False, and nothing is read, for any other value. */
  fields(command: object): boolean {
    const head = this.#at < this.#end ? (this.#bytes[this.#at] as number) : 0
    if ((head & 0xf0) !== 0x80 && head !== 0xde && head !== 0xdf) return false
    const count = this.map('the state')
    this.#enter(count)
    for (let left = count; left > 0; left--) setField(command, this.#key(), this.value())
    this.#depth--
    return true
  }

  /** Passes over one value, whatever it is, extension types of a later version included. */
  skip(): void {
    for (let left = 1; left > 0; left--) {
      const head = this.#byte()
      if (head < 0x80 || head >= 0xe0) continue
      if (head < 0x90) left += this.#checked((head & 0x0f) * 2, 1)
      else if (head < 0xa0) left += this.#checked(head & 0x0f, 1)
      else if (head < 0xc0) this.#take(head & 0x1f)
      else if (head >= 0xdc) left += this.#checked((head & 1 ? this.#uint32() : this.#uint16()) * (head < 0xde ? 1 : 2), 1)
      else this.#skipScalar(head)
    }
  }

  /** @throws NativeError that says what, and where. */
  fail(what: string): never {
    return this.#fail(what)
  }

  #skipScalar(head: number): void {
    switch (head) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return
      case 0xc1:
        return this.#fail('a byte that begins no value')
      case 0xc4:
      case 0xd9:
        this.#take(this.#byte())
        return
      case 0xc5:
      case 0xda:
        this.#take(this.#uint16())
        return
      case 0xc6:
      case 0xdb:
        this.#take(this.#uint32())
        return
      case 0xc7:
        this.#take(this.#byte() + 1)
        return
      case 0xc8:
        this.#take(this.#uint16() + 1)
        return
      case 0xc9:
        this.#take(this.#uint32() + 1)
        return
      default:
        this.#take(SKIPPED_BYTES[head - 0xca] as number)
    }
  }

  #object(count: number): Record<string, unknown> {
    this.#enter(count)
    this.#checked(count, 2)
    const object: Record<string, unknown> = {}
    for (; count > 0; count--) {
      const key = this.#key()
      const value = this.value()
      if (key === '__proto__') setOwn(object, key, value)
      else object[key] = value
    }
    this.#depth--
    return object
  }

  #array(count: number): unknown[] {
    this.#enter(0)
    this.#checked(count, 1)
    this.#itemsLeft -= count
    if (this.#itemsLeft < 0) this.#fail('more items of arrays than the limit allows: typed arrays have none')
    let items: unknown[]
    if (count <= EXACT_ITEMS) {
      items = new Array<unknown>(count)
      for (let index = 0; index < count; index++) items[index] = this.value()
    } else {
      items = []
      for (; count > 0; count--) items.push(this.value())
    }
    this.#depth--
    return items
  }

  #text(length: number): string {
    const start = this.#take(length)
    return shortAscii(this.#bytes, start, length) ?? this.#longText(start, length)
  }

  #key(): string {
    const at = this.#at
    const length = (this.#bytes[at] as number) - 0xa0
    // Short ones; for all others, and for the end of the message, the long way.
    if (length >= 0 && length < 32 && at + length < this.#end) {
      const key = asciiKey(this.#bytes, at + 1, length)
      if (key !== undefined) {
        this.#at = at + 1 + length
        return key
      }
    }
    return this.text('a key')
  }

  #longText(start: number, length: number): string {
    const text = this.#bytes.toString('utf8', start, start + length)
    // What is no UTF-8 becomes this character; the bytes may also be just that.
    if (text.includes('\ufffd') && !isUtf8(this.#bytes.subarray(start, start + length))) this.#fail('a string is no UTF-8')
    return text
  }

  #binary(length: number): Uint8Array {
    this.#count(1)
    const start = this.#take(length)
    return viewOf(this.#bytes.subarray(start, start + length), 0, true) as Buffer
  }

  #float64(): number {
    const bytes = this.#bytes
    const start = this.#take(8)
    for (let at = start, to = FLOAT_FIRST; at < start + 8; at++, to += FLOAT_STEP) FLOAT_BYTES[to] = bytes[at] as number
    return FLOAT[0] as number
  }

  /** A `number` where it is exact. `high` has the sign. */
  #int64(high: number): number | bigint {
    const low = this.#uint32()
    const value = high * 0x1_0000_0000 + low
    return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low)
  }

  /** What follows its length: the type, and so many bytes. */
  #extension(length: number): unknown {
    const type = (this.#byte() << 24) >> 24
    const start = this.#take(length)
    const end = start + length
    this.#count(1)
    switch (type) {
      case EXT.timestamp:
        return this.#date(start, length)
      case EXT.undefined:
        if (length !== 1 || this.#bytes[start] !== 0) this.#fail('an undefined of another form')
        return undefined
      case EXT.bigint:
        if (length === 0 || length > MAX_BIGINT_BYTES) this.#fail(`an integer of ${length} bytes`)
        return bigintOf(this.#bytes.subarray(start, end))
      case EXT.typedArray:
        if (length === 0) this.#fail('a typed array without a type')
        return this.#view(this.#bytes.subarray(start + 1, end), this.#bytes[start] as number, true)
      case EXT.frame:
        return this.#frame(start, length)
      case EXT.command:
      case EXT.map:
      case EXT.set:
        return this.#nested(type, start, end)
      case EXT.stream:
        if (length !== 2) this.#fail('a stream without its number')
        if (this.#hooks.stream === undefined) this.#fail('a stream where none can be')
        return this.#hooks.stream(((this.#bytes[start] as number) << 8) | (this.#bytes[start + 1] as number))
      case EXT.utf16:
        if (length % 2 !== 0) this.#fail('a string of UTF-16 with half a character')
        return this.#bytes.toString('utf16le', start, end)
      default:
        return this.#fail(`a value of the unknown extension type ${type}`)
    }
  }

  #date(start: number, length: number): Date {
    let seconds = 0
    let nanoseconds = 0
    this.#at = start
    if (length === 4) {
      seconds = this.#uint32()
    } else if (length === 8) {
      const high = this.#uint32()
      nanoseconds = high >>> 2
      seconds = (high & 3) * 0x1_0000_0000 + this.#uint32()
    } else if (length === 12) {
      nanoseconds = this.#uint32()
      seconds = (this.#uint32() | 0) * 0x1_0000_0000 + this.#uint32()
    } else {
      this.#fail(`a timestamp of ${length} bytes`)
    }
    const date = new Date(seconds * 1000 + Math.floor(nanoseconds / 1_000_000))
    if (nanoseconds >= 1_000_000_000 || Number.isNaN(date.getTime())) this.#fail('a timestamp that is out of range')
    return date
  }

  #view(bytes: Buffer, elementType: number, copy: boolean): ArrayBufferView {
    return viewOf(bytes, elementType, copy)
  }

  #frame(start: number, length: number): ArrayBufferView {
    if (length !== 5) this.#fail('a reference to a frame of another form')
    const bytes = this.#bytes
    const number = bytes.readUInt32BE(start + 1)
    // In order, and so each once: an unaligned one is copied, and a copy for each of many references would be too much.
    const frame = number > this.#lastFrame ? this.#frames[number] : undefined
    if (frame === undefined) this.#fail(`a reference to frame ${number}, which is not there or was there before`)
    this.#lastFrame = number
    return this.#view(frame, bytes[start] as number, false)
  }

  /** Extensions that hold values. What stands behind those is ignored. */
  #nested(type: typeof EXT.command | typeof EXT.map | typeof EXT.set, start: number, end: number): unknown {
    const outerEnd = this.#end
    this.#at = start
    this.#end = end
    this.#deeper()
    const value = type === EXT.command ? this.#command() : type === EXT.map ? this.#mapValue() : this.#setValue()
    this.#depth--
    this.#at = end
    this.#end = outerEnd
    return value
  }

  #command(): unknown {
    const name = this.text('the name of a command')
    if (this.#hooks.command === undefined) this.#fail('a command where none can be')
    return this.#hooks.command(name, this.value())
  }

  #mapValue(): Map<unknown, unknown> {
    const count = this.array('the content of a Map')
    if (count % 2 !== 0) this.#fail('a Map with a key that has no value')
    this.#count(count / 2)
    const map = new Map<unknown, unknown>()
    for (let left = count; left > 0; left -= 2) {
      const key = this.value()
      map.set(key, this.value())
    }
    return map
  }

  #setValue(): Set<unknown> {
    const set = new Set<unknown>()
    const count = this.array('the content of a Set')
    this.#count(count)
    for (let left = count; left > 0; left--) set.add(this.value())
    return set
  }

  #isUtf16(): boolean {
    const bytes = this.#bytes
    const at = this.#at
    const head = bytes[at] as number
    // The types stand behind a length of 0, 1, 2 or 4 bytes.
    const typeAt = head >= 0xd4 && head <= 0xd8 ? at + 1 : head === 0xc7 ? at + 2 : head === 0xc8 ? at + 3 : head === 0xc9 ? at + 5 : -1
    return typeAt > 0 && typeAt < this.#end && bytes[typeAt] === EXT.utf16
  }

  /** A container of so many members. */
  #enter(members: number): void {
    this.#deeper()
    this.#count(members + 1)
  }

  #deeper(): void {
    if (++this.#depth > this.#maxDepth) this.#fail(`values nested deeper than ${this.#maxDepth} levels`)
  }

  #count(nodes: number): void {
    this.#nodesLeft -= nodes
    if (this.#nodesLeft < 0) this.#fail('more arrays, objects, members and such than the limit allows')
  }

  /** A count, if so many values of so many bytes can follow. */
  #checked(count: number, leastBytes: number): number {
    if (count * leastBytes > this.#end - this.#at) this.#fail('an announced count is more than what follows')
    return count
  }

  #byte(): number {
    if (this.#at >= this.#end) this.#fail('the message is cut short')
    return this.#bytes[this.#at++] as number
  }

  #uint16(): number {
    const at = this.#take(2)
    return ((this.#bytes[at] as number) << 8) | (this.#bytes[at + 1] as number)
  }

  #uint32(): number {
    const bytes = this.#bytes
    const at = this.#take(4)
    return (
      (((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>>
      0
    )
  }

  /** Where so many bytes are, if they are there. */
  #take(length: number): number {
    const at = this.#at
    if (length > this.#end - at) this.#fail('the message is cut short')
    this.#at = at + length
    return at
  }

  #fail(what: string): never {
    throw new NativeError(`${what} (at byte ${this.#at} of the body)`)
  }
}

/** Bytes of what begins with 0xca and following, without the variable ones, which do not get there. */
const SKIPPED_BYTES = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17]

function setOwn(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
}
