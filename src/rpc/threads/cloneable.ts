/** What `auth.authenticate` makes of a client goes with each of its calls into a thread: functions in it cannot. */

const CLONEABLE = new WeakMap<object, unknown>()

/** A principal without those of its properties that `structuredClone` refuses; the same one where it takes all. Never throws. */
export function cloneable<T extends object>(principal: T | undefined): T | undefined {
  if (principal === undefined) return undefined
  if (!CLONEABLE.has(principal)) {
    const kept = Object.entries(principal).filter(([, value]) => isCloneable(value))
    CLONEABLE.set(principal, isCloneable(principal) ? principal : Object.fromEntries(kept))
  }
  return CLONEABLE.get(principal) as T
}

function isCloneable(value: unknown): boolean {
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}
