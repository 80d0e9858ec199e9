/**
 * Writes messages of the native dialect: header, MessagePack, frames for large binaries.
 *
 * - What stands small in a slab is written there in place: no copy, and a message that is kept keeps a slab of
 *   {@link SLAB_BYTES} at most. Larger messages get memory of their own.
 * - A binary of {@link OWN_FRAME_BYTES} or more is not copied: it must not change until it is sent.
 * - Nothing is dropped or emptied in silence but what `undefined` and functions are in an object: left out. What cannot be
 *   written is an error that names the path.
 *
 * The types that both dialects have are treated as in `../python-json-writer.ts`.
 */

import { Buffer } from 'node:buffer' // the global of that name is a getter, which shows at every message
import { types } from 'node:util'
import { ZmqRpcError } from '../../../errors.ts'
import { type Body, bufferOver, MAX_SHORT_BODY, type Message, SHORT_BODY_ROOM, ShortBody } from '../../../wire/index.ts'
import { type Command, commandNameOf, isCommand } from '../../command/command.ts'
import { errorText } from '../../error/error-text.ts'
import { pathOf, whyUnwritable } from '../unwritable.ts'
import { bigintBytes } from './bigints.ts'
import { bytesOf, elementTypeOf, viewName } from './binary.ts'
import { EXT, MAX_BIGINT_BYTES, MAX_DEPTH, MAX_OWN_FRAMES, MAX_STREAM, OWN_FRAME_BYTES } from './format.ts'
import { HEADER_BYTES, NATIVE_1 } from './header.ts'

/** Decides what only the call knows. */
export interface WriteHooks {
  /** A stream stands in the value: the number that the far end is to know it by. */
  stream(iterable: AsyncIterable<unknown>): number
}

const SLAB_BYTES = 16 * 1024
/** A slab with less left is not begun a message in. */
const MIN_SLAB_LEFT = 512
/** Longer strings are written by Node. At most 31: their head is one byte. */
const SHORT_TEXT = 24
/** Longer ones are measured before: up to here there is room for whatever they turn out to be. */
const MEASURED_TEXT = 256

const FLOAT = new Float64Array(1)
const FLOAT_BYTES = new Uint8Array(FLOAT.buffer)
FLOAT[0] = 1
/** Where the most significant byte of {@link FLOAT} is. */
const FLOAT_FIRST = FLOAT_BYTES[7] === 0x3f ? 7 : 0
const FLOAT_STEP = FLOAT_FIRST === 7 ? -1 : 1

type Key = string | number | undefined

/** Writes one message at a time: `begin`, its values, `finish`; `reset` when that did not come to its end. */
export class NativeWriter {
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #slabUsed = 0
  /** The slab, or memory of this message alone. */
  #bytes = this.#slab
  #start = 0
  #at = 0
  #frames: Buffer[] = []
  #streams = 0

  #hooks: WriteHooks | undefined
  #root = ''
  #command: string | undefined
  /** The containers around the current value, and their keys: for paths, for cycles. */
  readonly #parents: object[] = []
  readonly #keys: Key[] = []

  /** `root`: what the path in an error starts with. `command`: the name of the one that is written, if it is one. */
  begin(kind: number, number: number, amount: number, root: string, command: string | undefined, hooks: WriteHooks | undefined): void {
    if (SLAB_BYTES - this.#slabUsed < MIN_SLAB_LEFT) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#slabUsed = 0
    }
    const bytes = this.#slab
    const at = this.#slabUsed + SHORT_BODY_ROOM
    bytes[at] = NATIVE_1
    bytes[at + 1] = kind
    bytes[at + 2] = number >>> 8
    bytes[at + 3] = number
    bytes[at + 4] = amount >>> 24
    bytes[at + 5] = amount >>> 16
    bytes[at + 6] = amount >>> 8
    bytes[at + 7] = amount
    this.#bytes = bytes
    this.#start = at
    this.#at = at + HEADER_BYTES
    this.#root = root
    this.#command = command
    this.#hooks = hooks
    this.#streams = 0
  }

  /** Streams that stand in the message so far. */
  get streams(): number {
    return this.#streams
  }

  /** The message, to be sent once. */
  finishToSend(): Body {
    const bytes = this.#bytes
    if (bytes !== this.#slab || this.#frames.length > 0 || this.#at - this.#start > MAX_SHORT_BODY) return this.finish()
    this.#slabUsed = this.#at
    return new ShortBody(bytes, this.#start, this.#at)
  }

  finish(): Message {
    const bytes = this.#bytes
    const body = bufferOver(bytes.buffer, this.#start, this.#at - this.#start)
    if (bytes === this.#slab) this.#slabUsed = this.#at
    if (this.#frames.length === 0) return [body]
    const message = [body, ...this.#frames]
    this.#frames = []
    return message
  }

  /** Lets go of what a message held. */
  reset(): void {
    this.#bytes = this.#slab
    this.#hooks = undefined
    if (this.#frames.length > 0) this.#frames = []
    if (this.#parents.length > 0) this.#parents.length = this.#keys.length = 0
  }

  /**
   * Any value.
   *
   * @throws ZmqRpcError `BAD_COMMAND` with the path to what cannot be written.
   */
  value(value: unknown): void {
    try {
      this.#value(value, undefined)
    } catch (thrown) {
      this.#unreadable(thrown)
    }
  }

  /** An object of a command's own fields, as `getCommandState` gives them. @throws as `value` */
  fields(command: object): void {
    try {
      this.#members(command as Record<string, unknown>, undefined)
    } catch (thrown) {
      this.#unreadable(thrown)
    }
  }

  #unreadable(thrown: unknown): never {
    if (thrown instanceof ZmqRpcError) throw thrown
    this.#fail(undefined, `cannot be read: a toJSON or a getter threw ${errorText(thrown)}`, thrown)
  }

  nil(): void {
    this.#byte(0xc0)
  }

  /** A string. */
  text(text: string): void {
    const length = text.length
    if (length > SHORT_TEXT) {
      this.#longText(text)
      return
    }
    let at = this.#room(length + 1)
    const bytes = this.#bytes
    bytes[at++] = 0xa0 | length
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index)
      if (code > 0x7f) {
        this.#longText(text)
        return
      }
      bytes[at++] = code
    }
    this.#at = at
  }

  integer(value: number): void {
    const at = this.#room(9)
    const bytes = this.#bytes
    if (value >= 0) {
      if (value < 0x80) {
        bytes[at] = value
        this.#at = at + 1
      } else if (value < 0x100) {
        bytes[at] = 0xcc
        bytes[at + 1] = value
        this.#at = at + 2
      } else if (value < 0x1_0000) {
        bytes[at] = 0xcd
        this.#at = writeUint16(bytes, value, at + 1)
      } else if (value < 0x1_0000_0000) {
        bytes[at] = 0xce
        this.#at = writeUint32(bytes, value, at + 1)
      } else {
        bytes[at] = 0xcf
        writeUint32(bytes, Math.floor(value / 0x1_0000_0000), at + 1)
        this.#at = writeUint32(bytes, value, at + 5)
      }
    } else if (value >= -0x20) {
      bytes[at] = value
      this.#at = at + 1
    } else if (value >= -0x80) {
      bytes[at] = 0xd0
      bytes[at + 1] = value
      this.#at = at + 2
    } else if (value >= -0x8000) {
      bytes[at] = 0xd1
      this.#at = writeUint16(bytes, value, at + 1)
    } else if (value >= -0x8000_0000) {
      bytes[at] = 0xd2
      this.#at = writeUint32(bytes, value, at + 1)
    } else {
      bytes[at] = 0xd3
      writeUint32(bytes, Math.floor(value / 0x1_0000_0000), at + 1)
      // The low half of two's complement, whatever the sign: of so large a number `>>>` takes just that.
      this.#at = writeUint32(bytes, value, at + 5)
    }
  }

  /** The head of an array of so many values. */
  array(count: number): void {
    this.#container(count, 0x90, 0xdc)
  }

  /** The head of a map of so many pairs. */
  map(count: number): void {
    this.#container(count, 0x80, 0xde)
  }

  #container(count: number, short: number, long: number): void {
    const at = this.#room(5)
    const bytes = this.#bytes
    if (count < 16) {
      bytes[at] = short | count
      this.#at = at + 1
    } else if (count < 0x1_0000) {
      bytes[at] = long
      this.#at = writeUint16(bytes, count, at + 1)
    } else {
      bytes[at] = long + 1
      this.#at = writeUint32(bytes, count, at + 1)
    }
  }

  #value(value: unknown, key: Key): void {
    switch (typeof value) {
      case 'string':
        this.text(value)
        return
      case 'number':
        this.#number(value)
        return
      case 'boolean':
        this.#byte(value ? 0xc3 : 0xc2)
        return
      case 'object':
        if (value === null) this.#byte(0xc0)
        else this.#object(value, key)
        return
      case 'undefined':
        this.#undefined()
        return
      case 'bigint':
        this.#bigint(value, key)
        return
      case 'function':
      case 'symbol':
        this.#fail(key, `is a ${typeof value}, which the native dialect cannot hold`)
    }
  }

  #object(value: object, key: Key): void {
    if (Array.isArray(value)) {
      this.#items(value, key)
      return
    }
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype || prototype === null || !this.#special(value, key)) this.#plain(value, key)
  }

  /** An object without a type of its own. */
  #plain(value: Partial<AsyncIterable<unknown>> & { toJSON?: unknown }, key: Key): void {
    if (typeof value[Symbol.asyncIterator] === 'function') {
      this.#stream(value as AsyncIterable<unknown>, key)
    } else if (typeof value.toJSON === 'function') {
      const replaced: unknown = value.toJSON(String(key ?? ''))
      // Whatever that is, it is not asked again.
      if (typeof replaced !== 'object' || replaced === null) this.#value(replaced, key)
      else if (Array.isArray(replaced)) this.#items(replaced, key)
      else if (!this.#special(replaced, key)) this.#members(replaced as Record<string, unknown>, key)
    } else {
      this.#members(value as Record<string, unknown>, key)
    }
  }

  /** Objects that are more than their fields: true when it is written. */
  #special(value: object, key: Key): boolean {
    if (types.isDate(value)) this.#date(value, key)
    else if (ArrayBuffer.isView(value)) this.#view(value, key)
    else if (types.isMap(value)) this.#mapValue(value, key)
    else if (types.isSet(value)) this.#setValue(value, key)
    else if (types.isAnyArrayBuffer(value)) this.#binary(Buffer.from(value), 0)
    else if (isCommand(value)) this.#commandValue(value, key)
    else {
      const why = whyUnwritable(value, 'the native dialect')
      if (why !== undefined) this.#fail(key, why)
      return false
    }
    return true
  }

  #items(items: unknown[], key: Key): void {
    this.#enter(items, key)
    const count = items.length
    this.array(count)
    for (let index = 0; index < count; index++) this.#value(items[index], index)
    // A getter or toJSON may have changed it meanwhile; the count is written.
    this.#leave()
  }

  #members(members: Record<string, unknown>, key: Key): void {
    this.#enter(members, key)
    const keys = Object.keys(members)
    const announced = keys.length
    const head = this.#at - this.#start
    this.map(announced)
    let count = 0
    for (let index = 0; index < announced; index++) {
      const name = keys[index] as string
      const member = members[name]
      if (member === undefined || typeof member === 'function') continue
      count++
      this.text(name)
      this.#value(member, name)
    }
    if (count < announced) this.#correctCount(this.#start + head, count)
    this.#leave()
  }

  /** Some members were left out: the head has room for the smaller count. */
  #correctCount(head: number, count: number): void {
    const bytes = this.#bytes
    const first = bytes[head] as number
    if (first < 0x90) bytes[head] = 0x80 | count
    else if (first === 0xde) writeUint16(bytes, count, head + 1)
    else writeUint32(bytes, count, head + 1)
  }

  #mapValue(map: Map<unknown, unknown>, key: Key): void {
    this.#enter(map, key)
    const start = this.#beginExtension(EXT.map)
    const size = map.size
    this.array(size * 2)
    let index = 0
    for (const [entryKey, value] of map) {
      if (index === size) this.#fail(undefined, 'changed while it was written')
      const step = typeof entryKey === 'string' ? entryKey : index
      this.#value(entryKey, step)
      this.#value(value, step)
      index++
    }
    if (index !== size) this.#fail(undefined, 'changed while it was written')
    this.#endExtension(start)
    this.#leave()
  }

  #setValue(set: Set<unknown>, key: Key): void {
    this.#enter(set, key)
    const start = this.#beginExtension(EXT.set)
    const size = set.size
    this.array(size)
    let index = 0
    for (const item of set) {
      if (index === size) this.#fail(undefined, 'changed while it was written')
      this.#value(item, index++)
    }
    if (index !== size) this.#fail(undefined, 'changed while it was written')
    this.#endExtension(start)
    this.#leave()
  }

  #commandValue(command: Command, key: Key): void {
    this.#enter(command, key)
    const name = commandNameOf(command)
    let state: unknown
    try {
      state = command.getCommandState()
    } catch (cause) {
      this.#fail(undefined, `cannot be had: getCommandState of "${name}" threw ${errorText(cause)}`, cause)
    }
    const start = this.#beginExtension(EXT.command)
    this.text(name)
    this.#value(state, undefined)
    this.#endExtension(start)
    this.#leave()
  }

  #stream(iterable: AsyncIterable<unknown>, key: Key): void {
    if (this.#hooks === undefined) this.#fail(key, 'is a stream (AsyncIterable), which cannot be sent here')
    const number = this.#hooks.stream(iterable)
    if (!Number.isInteger(number) || number < 0 || number > MAX_STREAM) this.#fail(key, 'is one stream too many for a call')
    this.#streams++
    const at = this.#room(4)
    this.#bytes[at] = 0xd5
    this.#bytes[at + 1] = EXT.stream
    this.#at = writeUint16(this.#bytes, number, at + 2)
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && (value !== 0 || Object.is(value, 0))) {
      this.integer(value)
      return
    }
    let at = this.#room(9)
    const bytes = this.#bytes
    bytes[at++] = 0xcb
    FLOAT[0] = value
    for (let index = 0, from = FLOAT_FIRST; index < 8; index++, from += FLOAT_STEP) bytes[at++] = FLOAT_BYTES[from] as number
    this.#at = at
  }

  #bigint(value: bigint, key: Key): void {
    if (value > MAX_SAFE ? value <= MAX_UINT64 : value < -MAX_SAFE && value >= MIN_INT64) {
      const at = this.#room(9)
      this.#bytes[at] = value > 0n ? 0xcf : 0xd3
      this.#bytes.writeBigUInt64BE(BigInt.asUintN(64, value), at + 1)
      this.#at = at + 9
      return
    }
    const bytes = bigintBytes(value)
    if (bytes.length > MAX_BIGINT_BYTES) this.#fail(key, `is an integer of more than ${MAX_BIGINT_BYTES} bytes`)
    this.#extension(EXT.bigint, bytes.length)
    this.#copy(bytes)
  }

  #undefined(): void {
    const at = this.#room(3)
    this.#bytes[at] = 0xd4
    this.#bytes[at + 1] = EXT.undefined
    this.#bytes[at + 2] = 0
    this.#at = at + 3
  }

  /** MessagePack's timestamp, in the shortest of its three forms. */
  #date(date: Date, key: Key): void {
    const ms = date.getTime()
    if (Number.isNaN(ms)) this.#fail(key, 'is an invalid Date')
    const seconds = Math.floor(ms / 1000)
    const nanoseconds = (ms - seconds * 1000) * 1_000_000
    if (seconds >= 0 && seconds < 0x4_0000_0000) {
      if (nanoseconds === 0 && seconds < 0x1_0000_0000) {
        this.#extension(EXT.timestamp, 4)
      } else {
        this.#extension(EXT.timestamp, 8)
        // 30 bits, then the two that 34 have more than 32.
        this.#uint32(nanoseconds * 4 + Math.floor(seconds / 0x1_0000_0000))
      }
    } else {
      this.#extension(EXT.timestamp, 12)
      this.#uint32(nanoseconds)
      this.#uint32(Math.floor(seconds / 0x1_0000_0000))
    }
    this.#uint32(seconds)
  }

  #view(view: ArrayBufferView, key: Key): void {
    const type = elementTypeOf(view)
    if (type === undefined) this.#fail(key, `is a ${viewName(view)}, which the native dialect cannot hold`)
    // A small one of plain bytes is copied as it is.
    const isPlain = type === 0 && view.byteLength < OWN_FRAME_BYTES
    this.#binary(isPlain ? (view as Uint8Array) : bytesOf(view, type), type)
  }

  #binary(bytes: Uint8Array, elementType: number): void {
    const length = bytes.length
    if (length >= OWN_FRAME_BYTES && this.#frames.length < MAX_OWN_FRAMES) {
      this.#frames.push(bytes as Buffer)
      this.#extension(EXT.frame, 5)
      this.#byte(elementType)
      this.#uint32(this.#frames.length)
      return
    }
    if (elementType === 0) {
      const at = this.#room(5)
      const target = this.#bytes
      if (length < 0x100) {
        target[at] = 0xc4
        target[at + 1] = length
        this.#at = at + 2
      } else if (length < 0x1_0000) {
        target[at] = 0xc5
        this.#at = writeUint16(target, length, at + 1)
      } else {
        target[at] = 0xc6
        this.#at = writeUint32(target, length, at + 1)
      }
    } else {
      this.#extension(EXT.typedArray, length + 1)
      this.#byte(elementType)
    }
    this.#copy(bytes)
  }

  /** More than a few characters, or others than those of ASCII. */
  #longText(text: string): void {
    const isMeasured = text.length > MEASURED_TEXT
    // Else taken for ASCII, which it most often is.
    const expected = isMeasured ? Buffer.byteLength(text) : text.length
    const at = this.#room((isMeasured ? expected : expected * 3) + 5)
    const bytes = this.#bytes
    const start = at + textHeadBytes(expected)
    const length = bytes.write(text, start, 'utf8')
    // A lone surrogate has become three bytes, none of them its own.
    if (length !== text.length && !text.isWellFormed()) {
      const units = Buffer.from(text, 'utf16le')
      this.#extension(EXT.utf16, units.length)
      this.#copy(units)
      return
    }
    const headBytes = textHeadBytes(length)
    if (at + headBytes !== start) bytes.copyWithin(at + headBytes, start, start + length)
    if (headBytes === 1) {
      bytes[at] = 0xa0 | length
    } else if (headBytes === 2) {
      bytes[at] = 0xd9
      bytes[at + 1] = length
    } else if (headBytes === 3) {
      bytes[at] = 0xda
      writeUint16(bytes, length, at + 1)
    } else {
      bytes[at] = 0xdb
      writeUint32(bytes, length, at + 1)
    }
    this.#at = at + headBytes + length
  }

  /** The head of an extension whose length is known. */
  #extension(type: number, length: number): void {
    let at = this.#room(6)
    const bytes = this.#bytes
    const fixed = length <= 16 ? FIXED_EXTENSIONS[length] : undefined
    if (fixed !== undefined) {
      bytes[at++] = fixed
    } else if (length < 0x100) {
      bytes[at] = 0xc7
      bytes[at + 1] = length
      at += 2
    } else if (length < 0x1_0000) {
      bytes[at] = 0xc8
      at = writeUint16(bytes, length, at + 1)
    } else {
      bytes[at] = 0xc9
      at = writeUint32(bytes, length, at + 1)
    }
    bytes[at] = type
    this.#at = at + 1
  }

  /** The head of an extension that holds values, its length to come: always the long form. Returns where it starts in the message. */
  #beginExtension(type: number): number {
    const at = this.#room(6)
    this.#bytes[at] = 0xc9
    this.#bytes[at + 5] = type
    this.#at = at + 6
    return at - this.#start
  }

  #endExtension(start: number): void {
    const head = this.#start + start
    writeUint32(this.#bytes, this.#at - head - 6, head + 1)
  }

  #byte(byte: number): void {
    const at = this.#room(1)
    this.#bytes[at] = byte
    this.#at = at + 1
  }

  #uint32(value: number): void {
    const at = this.#room(4)
    this.#at = writeUint32(this.#bytes, value, at)
  }

  #copy(bytes: Uint8Array): void {
    const at = this.#room(bytes.length)
    this.#bytes.set(bytes, at)
    this.#at = at + bytes.length
  }

  /** Sees to it that so many bytes fit. Returns where they go. */
  #room(length: number): number {
    if (this.#bytes.length - this.#at < length) this.#grow(length)
    return this.#at
  }

  #grow(length: number): void {
    const used = this.#at - this.#start
    const wanted = used + length
    const isSmall = wanted <= SLAB_BYTES / 4
    // Twice what is there: many small values cost no more than twice their bytes, and one large one is not doubled.
    const grown = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, SHORT_BODY_ROOM + wanted + used))
    // It may turn out to be short.
    this.#bytes.copy(grown, SHORT_BODY_ROOM, this.#start, this.#at)
    if (isSmall) {
      this.#slab = grown
      this.#slabUsed = 0
    }
    this.#bytes = grown
    this.#start = SHORT_BODY_ROOM
    this.#at = SHORT_BODY_ROOM + used
  }

  #enter(value: object, key: Key): void {
    const parents = this.#parents
    const depth = parents.length
    for (let index = depth - 1; index >= 0; index--) {
      if (parents[index] === value) this.#fail(key, 'refers to an object that it is part of: a cycle has no end in a message')
    }
    if (depth >= MAX_DEPTH) this.#fail(key, `is nested deeper than ${MAX_DEPTH} levels`)
    parents.push(value)
    this.#keys.push(key)
  }

  #leave(): void {
    this.#parents.pop()
    this.#keys.pop()
  }

  #fail(key: Key, why: string, cause?: unknown): never {
    const command = this.#command
    const subject = command === undefined ? `the ${this.#root}` : `command "${command}"`
    const path = pathOf([...this.#keys, key].filter((step) => step !== undefined))
    throw new ZmqRpcError('BAD_COMMAND', `cannot write ${subject}: ${this.#root}${path} ${why}`, { command, cause })
  }
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER)
const MAX_UINT64 = 2n ** 64n - 1n
const MIN_INT64 = -(2n ** 63n)

/** Length -> the head of the extension that has just that. */
const FIXED_EXTENSIONS: readonly (number | undefined)[] = Object.assign(new Array<number | undefined>(17).fill(undefined), {
  1: 0xd4,
  2: 0xd5,
  4: 0xd6,
  8: 0xd7,
  16: 0xd8,
})

function textHeadBytes(length: number): number {
  return length < 0x20 ? 1 : length < 0x100 ? 2 : length < 0x1_0000 ? 3 : 5
}

function writeUint16(bytes: Buffer, value: number, at: number): number {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
  return at + 2
}

function writeUint32(bytes: Buffer, value: number, at: number): number {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
  return at + 4
}
