/** A mistake in the command line, told in words that say how it should be. */

export class UsageError extends Error {
  override readonly name = 'UsageError'
}
