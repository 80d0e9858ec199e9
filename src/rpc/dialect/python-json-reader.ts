/**
 * Reads JSON as Python's `json.loads` does, where that differs from `JSON.parse`:
 *
 * - `NaN`, `Infinity` and `-Infinity` are values.
 * - An integer beyond ±(2^53 - 1) is a `bigint`, exactly; every other number is a `number`. `1.0` and `1` are both `1`, and
 *   `-0` is `-0`.
 * - Integers longer than 4300 digits are refused, as Python refuses them (reading them takes more than linear time).
 * - Nesting has a limit, as Python's recursion limit is one.
 * - So have arrays, objects and members in number: two bytes of text become a hundred of memory with them. Python has no such limit.
 *
 * Both agree on the rest: lone surrogates are kept, the last of duplicate keys wins, and `__proto__` is a key like others.
 *
 * (One thing no JavaScript object can do: keys that look like array indices come first, in their order, whatever the text says.)
 *
 * Nearly every message holds nothing of the kind. One cheap scan proves that, and then `JSON.parse` reads it; it also
 * judges what the scan let through. Whatever it refuses is read again by the slow reader, which knows the position.
 */

/** See {@link parsePythonJson}. */
export interface PythonJsonReaderOptions {
  /**
   * How deeply arrays and objects may be nested. A level takes a stack frame or two: beyond some 5000 the stack is the limit.
   * @default 1000
   */
  readonly maxDepth?: number
  /** How many arrays, objects and members of objects there may be, all together. @default 1000000 */
  readonly maxNodes?: number
}

/** Python's default `sys.get_int_max_str_digits()`. */
export const MAX_INTEGER_DIGITS = 4300

/** As Python's default recursion limit. */
export const DEFAULT_MAX_DEPTH = 1000

/** Reading so many takes about half a second; 8 MiB of records with two numbers each hold fewer, unless their names are very short. */
export const DEFAULT_MAX_NODES = 1_000_000

/**
 * The value of a JSON text as Python's `json.loads` understands it.
 *
 * @throws SyntaxError that names what was expected, and where.
 */
export function parsePythonJson(text: string, options: PythonJsonReaderOptions = {}): unknown {
  const { maxDepth = DEFAULT_MAX_DEPTH, maxNodes = DEFAULT_MAX_NODES } = options
  if (isOrdinary(text, maxDepth, maxNodes)) {
    try {
      return JSON.parse(text)
    } catch {
      // Its message differs between versions of V8 and quotes the input: ours comes from the slow reader.
    }
  }
  return new PythonJsonReader(text, maxDepth, maxNodes).read()
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const DOT = 0x2e

/** An integer of more digits than are always exact; or text in a string that looks like one. */
const LONG_INTEGER = /(?<![0-9.])[0-9]{16}/

/**
 * True when `JSON.parse` reads this text as Python does, or refuses it. Exact for valid JSON, since it knows strings from
 * the rest; for anything else the answer does not matter.
 */
function isOrdinary(text: string, maxDepth: number, maxNodes: number): boolean {
  // What is nested deeper, or has more nodes, takes more characters than this. (One expression is much quicker than the loop.)
  if (text.length <= Math.min(2 * maxDepth, maxNodes) && !LONG_INTEGER.test(text)) return true
  let depth = 0
  let nodes = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = endOfString(text, at)
      if (at < 0) return false
    } else if (isDigit(code)) {
      const start = at
      while (isDigit(text.charCodeAt(at + 1))) at++
      // 15 digits are always exact. Digits after a point, or before one or an exponent, belong to a float.
      if (at - start >= 15 && text.charCodeAt(start - 1) !== DOT && !'.eE'.includes(text.charAt(at + 1) || ' ')) return false
    } else if (code === 0x5b || code === 0x7b) {
      if (++depth > maxDepth || ++nodes > maxNodes) return false
    } else if (code === 0x5d || code === 0x7d) {
      depth--
    } else if (code === 0x3a) {
      if (++nodes > maxNodes) return false
    }
  }
  return true
}

/** The position of the quote that ends the string which starts at `start`, or -1. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end > 0) {
    let before = end - 1
    while (text.charCodeAt(before) === BACKSLASH) before--
    // After an even number of backslashes the quote itself is not escaped.
    if ((end - before) % 2 === 1) return end
    end = text.indexOf('"', end + 1)
  }
  return -1
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y
/** The longest start of a string's inside that is right. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids just these in strings
const STRING_PART = /(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y

const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['null', null],
  ['true', true],
  ['false', false],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
])

/** The complete grammar, by recursive descent. */
class PythonJsonReader {
  readonly #text: string
  readonly #maxDepth: number
  readonly #maxNodes: number
  #nodes = 0
  #at = 0

  constructor(text: string, maxDepth: number, maxNodes: number) {
    this.#text = text
    this.#maxDepth = maxDepth
    this.#maxNodes = maxNodes
  }

  read(): unknown {
    this.#skipSpace()
    const value = this.#value(0)
    this.#skipSpace()
    if (this.#at < this.#text.length) this.#fail('something follows the value')
    return value
  }

  #value(depth: number): unknown {
    const first = this.#text[this.#at]
    if (first === '"') return this.#string()
    if (first === '[') return this.#array(this.#deeper(depth))
    if (first === '{') return this.#object(this.#deeper(depth))
    NUMBER.lastIndex = this.#at
    const number = NUMBER.exec(this.#text)
    if (number !== null) return this.#number(number)
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length
        return value
      }
    }
    return this.#fail('expected a value')
  }

  #deeper(depth: number): number {
    if (depth >= this.#maxDepth) this.#fail(`nested deeper than ${this.#maxDepth} levels`)
    this.#count()
    this.#at++
    this.#skipSpace()
    return depth + 1
  }

  #count(): void {
    if (++this.#nodes > this.#maxNodes) this.#fail(`more than ${this.#maxNodes} arrays, objects and members`)
  }

  #array(depth: number): unknown[] {
    if (this.#takes(']')) return []
    // One item at first: the first push would make room for 17, which arrays of one, many times nested, would never fill.
    const items = [this.#value(depth)]
    for (;;) {
      this.#skipSpace()
      if (this.#takes(']')) return items
      if (!this.#takes(',')) this.#fail('expected "," or "]"')
      this.#skipSpace()
      items.push(this.#value(depth))
    }
  }

  #object(depth: number): object {
    const members: Record<string, unknown> = {}
    if (this.#takes('}')) return members
    for (;;) {
      if (this.#text[this.#at] !== '"') this.#fail('expected a key in double quotes')
      const key = this.#string()
      this.#skipSpace()
      if (!this.#takes(':')) this.#fail('expected ":"')
      this.#count()
      this.#skipSpace()
      const value = this.#value(depth)
      // An assignment to this one key would set the prototype.
      if (key === '__proto__') Object.defineProperty(members, key, { value, writable: true, enumerable: true, configurable: true })
      else members[key] = value
      this.#skipSpace()
      if (this.#takes('}')) return members
      if (!this.#takes(',')) this.#fail('expected "," or "}"')
      this.#skipSpace()
    }
  }

  #string(): string {
    const start = this.#at
    const end = endOfString(this.#text, start)
    if (end < 0) this.#fail('this string has no end')
    try {
      // Also a copy: a slice would keep the whole message in memory for as long as the string lives.
      const value = JSON.parse(this.#text.slice(start, end + 1)) as string
      this.#at = end + 1
      return value
    } catch {
      STRING_PART.lastIndex = start + 1
      STRING_PART.exec(this.#text)
      this.#at = STRING_PART.lastIndex
      return this.#fail(this.#text[this.#at] === '\\' ? 'bad escape in a string' : 'control character in a string')
    }
  }

  #number([literal, fraction, exponent]: RegExpExecArray): number | bigint {
    const value = Number(literal)
    if (fraction === undefined && exponent === undefined && !Number.isSafeInteger(value)) {
      if (literal.length - (literal.startsWith('-') ? 1 : 0) > MAX_INTEGER_DIGITS) {
        this.#fail(`an integer of more than ${MAX_INTEGER_DIGITS} digits`)
      }
      this.#at += literal.length
      return BigInt(literal)
    }
    this.#at += literal.length
    return value
  }

  #takes(char: string): boolean {
    if (this.#text[this.#at] !== char) return false
    this.#at++
    return true
  }

  #skipSpace(): void {
    while (' \n\r\t'.includes(this.#text[this.#at] ?? '-')) this.#at++
  }

  #fail(what: string): never {
    let line = 1
    let column = this.#at + 1
    // Counted without a list of the lines: the text may be one of millions.
    for (let at = this.#text.indexOf('\n'); at >= 0 && at < this.#at; at = this.#text.indexOf('\n', at + 1)) {
      line++
      column = this.#at - at
    }
    throw new SyntaxError(`${what} at position ${this.#at} (line ${line}, column ${column})`)
  }
}
