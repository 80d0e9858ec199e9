/**
 * Listening to an `AbortSignal` that belongs to somebody else: however many calls share a signal, it has one listener of
 * ours, while any of them is under way. Node warns of a signal with more than ten, and only a change to the signal itself
 * would make it stop.
 */

const listeners = new WeakMap<AbortSignal, Set<() => void>>()

/** Has `listener` called once when the signal aborts, which is yet to happen; returns what takes it back. `listener` must not throw. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const shared = listeners.get(signal) ?? listen(signal)
  shared.add(listener)
  return () => {
    if (!shared.delete(listener) || shared.size > 0) return
    listeners.delete(signal)
    signal.removeEventListener('abort', aborted)
  }
}

function listen(signal: AbortSignal): Set<() => void> {
  const shared = new Set<() => void>()
  listeners.set(signal, shared)
  signal.addEventListener('abort', aborted, { once: true })
  return shared
}

function aborted(event: Event): void {
  const signal = event.target as AbortSignal
  const called = [...(listeners.get(signal) ?? [])]
  listeners.delete(signal)
  // The latest first: a call that ends makes room for those behind it, which must not be sent just to be given up.
  for (const listener of called.reverse()) listener()
}
