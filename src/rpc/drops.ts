/** Messages that were let go: each is counted by its reason, and told as an event. */

import { publish } from '../observability/events.ts'

/** Why, by the name under which it is counted; the text is the event's. */
export const DROPS = {
  duplicateCall: 'a call whose number is in use',
  noEnvelope: 'a request without an empty frame before its body',
  callerGone: 'a reply whose client is gone',
  strangeReply: 'a reply without our envelope',
  lateReply: 'a message to a call that has ended',
  badHello: 'a HELLO that cannot be read',
  slowSubscriber: 'a published message: the subscriber does not keep up',
} as const

/** Why a message was let go: `docs/events.md` explains each. */
export type RpcDropReason = keyof typeof DROPS

/** Whose message it was. */
interface Origin {
  readonly endpoint: string
  readonly remoteAddress: string | undefined
}

export class Drops {
  readonly #counts: Record<RpcDropReason, number> = {
    duplicateCall: 0,
    noEnvelope: 0,
    callerGone: 0,
    strangeReply: 0,
    lateReply: 0,
    badHello: 0,
    slowSubscriber: 0,
  }

  /** As they are now. */
  get counts(): Record<RpcDropReason, number> {
    return { ...this.#counts }
  }

  drop(reason: RpcDropReason, { endpoint, remoteAddress }: Origin): void {
    this.#counts[reason]++
    publish('zmq-rpc:dropped', () => ({ endpoint, remoteAddress, reason: DROPS[reason] }))
  }
}
