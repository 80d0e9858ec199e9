/**
 * What a message that has come is taken for: something that carries it out, or a refusal; and what that may end in besides a result.
 */

import type { Started } from '../../errors.ts'
import type { Message } from '../../wire/index.ts'
import { nativeKind } from '../dialect/announcement.ts'
import { KIND } from '../dialect/native/header.ts'
import { decodeError } from '../dialect/native/message.ts'
import { STATUS } from '../error/status.ts'
import type { CommandLimit } from './admission.ts'
import type { Caller, ServerCall } from './server-call.ts'

/** Why a message is not carried out. */
export interface Refusal {
  readonly status: number
  /** For the caller. */
  readonly text: string
  /** Of what refuses, for a caller in the pyzmqrpc3 dialect who does not know the status. @default `name` */
  readonly pythonName?: string
  /** Whether it was carried out, where more is known than the status says. */
  readonly started?: Started
  /** For the event: what was wrong exactly. @default `text` */
  readonly detail?: string
  readonly name?: string | undefined
  readonly cause?: unknown
}

/** What runs a call. Whatever it throws, or rejects with, is told to the caller: a {@link Refused} as what it says. */
export interface ServiceRun {
  /** The command's name, for events. */
  readonly command: string
  /** As Python names it in an error's text. */
  readonly serviceName: string
  readonly limit?: CommandLimit | undefined
  /** False while it has to wait for the end of another call. @default always ready */
  readonly ready?: (() => boolean) | undefined
  /** Calls of a lane need not wait for each other's end: it keeps their order by itself, if they only begin in it. */
  readonly overlaps?: boolean
  execute(call: ServerCall<Caller>): unknown
}

/** Thrown in a {@link ServiceRun} before the service itself: the call is refused. */
export class Refused extends Error {
  readonly #refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.text)
    this.#refusal = refusal
  }

  /** What a service threw may be anything: `instanceof` runs the traps of a proxy, this does not. */
  static of(thrown: unknown): Refusal | undefined {
    return typeof thrown === 'object' && thrown !== null && #refusal in thrown ? thrown.#refusal : undefined
  }
}

/** The result of a {@link ServiceRun} that is written already: it was answered before, or elsewhere. */
export class Answered {
  /** Undefined where nobody waits for it. */
  readonly #body: Message | undefined
  readonly #status: number | undefined
  readonly #remembered: boolean

  /** `status`: where it is known without reading the body. `remembered`: it is the answer to the call's idempotency key. */
  constructor(body: Message | undefined, { status, remembered = false }: { status?: number; remembered?: boolean } = {}) {
    this.#body = body
    this.#status = status
    this.#remembered = remembered
  }

  /** As {@link Refused.of}. */
  static of(result: unknown): Answered | undefined {
    return typeof result === 'object' && result !== null && #body in result ? result : undefined
  }

  get body(): Message | undefined {
    return this.#body
  }

  get status(): number {
    return this.#status ?? statusOf(this.#body)
  }

  /** What is to be kept for the call's idempotency key. */
  get answerToKey(): Message | undefined {
    return this.#remembered ? this.#body : undefined
  }
}

/** Of what was answered before, or elsewhere. */
function statusOf(body: Message | undefined): number {
  if (body === undefined || nativeKind(body[0] as Buffer) !== KIND.error) return STATUS.ok
  try {
    return decodeError(body).error.status
  } catch {
    return STATUS.serviceRaised
  }
}
