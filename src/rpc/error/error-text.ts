/** What somebody else's code threw, as text. Whatever it is, this does not throw: a message may be a getter, a symbol, a trap. */
export function errorText(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown)
  } catch {
    return 'an error that cannot be shown'
  }
}

/** An error's own words, without our code before them. */
export function wordsOf(error: Error): string {
  // Node gives several addresses' failures as one error without a text.
  const errors = error instanceof AggregateError ? error.errors : [error]
  return errors.map((one: unknown) => errorText(one).replace(/^\[[A-Z_]+\] /, '')).join('; ')
}
