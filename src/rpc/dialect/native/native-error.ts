/** A message of the native dialect that cannot be read: its text says what is wrong and where, and quotes no values. */
export class NativeError extends Error {
  override readonly name = 'NativeError'
}
