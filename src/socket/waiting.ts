/**
 * Calls that cannot be answered at once wait here, first come first served, until the pattern can, the time is over, or the
 * socket closes. Whether they are `receives.ts` or `sends.ts` is their own business.
 */

import { SocketError } from '../errors.ts'
import type { Pattern } from './pattern.ts'

export interface Waiting {
  reject(error: SocketError): void
  timer: NodeJS.Timeout | undefined
}

/** Waiting calls of one direction. */
export abstract class WaitingCalls<W extends Waiting> {
  protected readonly pattern: Pattern
  /** In order; those that timed out are taken out. */
  protected readonly calls: W[] = []
  protected closed = false

  constructor(pattern: Pattern) {
    this.pattern = pattern
  }

  /** Rejects what waits; what comes later is rejected, too. */
  close(): void {
    this.closed = true
    for (const call of this.calls.splice(0)) {
      clearTimeout(call.timer)
      call.reject(closedMeanwhile())
    }
  }

  protected wait(call: W, timeoutMs: number): void {
    // An event told while the call was tried may have closed the socket.
    if (this.closed) return call.reject(closedMeanwhile())
    this.calls.push(call)
    if (timeoutMs < 0) return
    call.timer = setTimeout(() => {
      this.calls.splice(this.calls.indexOf(call), 1)
      call.reject(new SocketError('EAGAIN'))
      this.timedOut()
    }, timeoutMs)
  }

  /** A call waits no longer: those behind it may be luckier. */
  protected timedOut(): void {}

  /** Takes the first call out, to be answered. */
  protected next(): W {
    const call = this.calls.shift() as W
    clearTimeout(call.timer)
    return call
  }
}

function closedMeanwhile(): SocketError {
  return new SocketError('EAGAIN', { text: 'the socket was closed' })
}
