/** The commands and services of `../python/fleet.py`, once more. */

import { Command, type RpcServer, type Service } from '../../../src/index.ts'

abstract class Valued<Result> extends Command<Result> {
  value: unknown

  constructor(value: unknown = null) {
    super()
    this.value = value
  }

  /** As strict as the one in Python. */
  override setCommandState(state: unknown): void {
    if (typeof state !== 'object' || state === null || !('value' in state)) throw new TypeError('there is no value')
    this.value = state.value
  }
}

export class Echo extends Valued<unknown> {}

export class Describe extends Valued<unknown> {}

export class Raise extends Valued<never> {}

export class Nothing extends Valued<void> {}

export class Remember extends Valued<void> {}

/** What was remembered. */
export class Recall extends Valued<unknown[]> {}

/** Its result cannot be written. */
export class Unwritable extends Valued<unknown> {}

/** Has no service. */
export class Orphan extends Valued<unknown> {}

/** Known to the caller alone. */
export class Stranger extends Valued<unknown> {}

export class Picky extends Valued<unknown> {
  override setCommandState(state: unknown): void {
    super.setCommandState(state)
    if (Number(this.value) < 0) throw new RangeError('too small')
  }
}

// Their names are part of error texts, so they are those of Python.

class EchoService implements Service<Echo> {
  execute({ value }: Echo): unknown {
    return value
  }
}

class DescribeService implements Service<Describe> {
  execute({ value }: Describe): unknown {
    return this.#describe(value)
  }

  #describe(value: unknown): unknown {
    if (value instanceof Valued) return { command: value.constructor.name, value: this.#describe(value.value) }
    if (Array.isArray(value)) return value.map((item) => this.#describe(item))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.#describe(item)]))
  }
}

class RaiseService implements Service<Raise> {
  execute({ value }: Raise): never {
    throw new Error(String(value))
  }
}

class NothingService implements Service<Nothing> {
  execute(): void {}
}

class UnwritableService implements Service<Unwritable> {
  execute(): unknown {
    return () => {}
  }
}

class RememberService implements Service<Remember> {
  readonly remembered: unknown[] = []

  execute({ value }: Remember): void {
    this.remembered.push(value)
  }
}

class RecallService implements Service<Recall> {
  readonly #memory: RememberService

  constructor(memory: RememberService) {
    this.#memory = memory
  }

  execute(): unknown[] {
    return this.#memory.remembered
  }
}

/** For the option `commands` of a server. */
export const KNOWN = [Orphan]

/** Gives a server all services; returns what `Remember` will tell it. */
export function serveAll(server: RpcServer): unknown[] {
  const memory = new RememberService()
  server.register(Echo, new EchoService()).register(Picky, new EchoService()).register(Describe, new DescribeService())
  server.register(Raise, new RaiseService()).register(Nothing, new NothingService())
  server.register(Remember, memory).register(Recall, new RecallService(memory)).register(Unwritable, new UnwritableService())
  return memory.remembered
}
