/** What is fuzzed: one way in for bytes of a stranger, and what must hold whatever they are. */

import type { Random } from './random.ts'

/**
 * An input: pieces that its target puts together (a greeting, a frame, a token), so that mutations can move, repeat and leave
 * out what belongs together as well as spoil single bytes. The first piece tells how to run it.
 */
export type Pieces = Buffer[]

export interface Target {
  readonly name: string
  /** An input much like those of an honest peer. */
  generate(random: Random): Pieces
  /** A piece to be put in somewhere. */
  piece(random: Random): Buffer
  /**
   * Runs one input. Returns what was reached, in few and short words: an input that reaches something new is kept and mutated
   * further.
   *
   * @throws Broken when a property does not hold; whatever else is thrown is a failure, too.
   */
  run(input: Pieces): string
}

/** A property does not hold. */
export class Broken extends Error {}

export function must(holds: boolean, property: string, details?: () => string): void {
  if (!holds) throw new Broken(details === undefined ? property : `${property}: ${details()}`)
}

export function toHex(input: Pieces): string {
  return input.map((piece) => piece.toString('hex')).join('.')
}

export function fromHex(hex: string): Pieces {
  return hex.split('.').map((piece) => Buffer.from(piece, 'hex'))
}

/** The text without what differs from input to input, which is most often behind its first words. */
export function kindOf(text: string): string {
  return text
    .slice(0, 60)
    .replace(/ sent .*/, ' sent …')
    .replace(/['"].*/, '…')
    .replace(/\d+/g, '0')
}
