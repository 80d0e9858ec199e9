/** Messages that show when they are broken, doubled, lost or out of order: `[who, number, body]`, the body decided by the number. */

const BODIES = Array.from({ length: 64 }, (_, index) => {
  const length = index === 0 ? 100_000 : index % 16 === 1 ? 5000 : index * 7
  const body = Buffer.alloc(length, index)
  for (let at = 0; at + 4 <= length; at += 512) body.writeUInt32LE(at, at)
  return body
})

/** @param {number} number */
export function bodyOf(number) {
  return /** @type {Buffer} */ (BODIES[number % BODIES.length])
}

/** @param {string} who @param {number} number @returns {(string | Buffer)[]} */
export function message(who, number) {
  return [who, String(number), bodyOf(number)]
}

/** Follows the messages of many senders. */
export class Checker {
  /** @type {Map<string, number>} */
  #last = new Map()
  #contiguous
  #complain
  count = 0

  /**
   * @param {string} name
   * @param {boolean} contiguous nothing may be missing between two messages of a sender
   * @param {(text: string) => void} complain
   */
  constructor(name, contiguous, complain) {
    this.#contiguous = contiguous
    this.#complain = (/** @type {string} */ text) => complain(`${name}: ${text}`)
  }

  /** @param {Buffer[]} frames */
  check(frames) {
    this.count++
    const [who, number, body] = frames
    if (frames.length !== 3 || !who || !number || !body) return this.#complain(`a message of ${frames.length} frames`)
    const [sender, value] = [String(who), Number(String(number))]
    if (!Number.isInteger(value) || !body.equals(bodyOf(value))) return this.#complain(`message ${String(number)} of ${sender} is broken`)
    const last = this.#last.get(sender)
    this.#last.set(sender, value)
    if (last === undefined) return
    if (value <= last) this.#complain(`message ${value} of ${sender} came after ${last}`)
    else if (this.#contiguous && value !== last + 1) this.#complain(`messages between ${last} and ${value} of ${sender} are missing`)
  }
}
