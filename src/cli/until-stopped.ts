/** For commands that run until somebody stops them. */

/** Resolves at Ctrl-C (SIGTERM), or when it ends by itself. */
export async function untilStopped(signal: AbortSignal, ended: Promise<unknown>): Promise<void> {
  if (signal.aborted) return
  const told = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  await Promise.race([told, ended])
}
