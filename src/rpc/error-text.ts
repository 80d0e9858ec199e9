/** What somebody else's code threw, as text. Whatever it is, this does not throw: a message may be a getter, a symbol, a trap. */
export function errorText(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown)
  } catch {
    return 'an error that cannot be shown'
  }
}
