/**
 * From a call that may run to what its service answers: reads the command, checks its state, runs interceptors and service, checks
 * the result. The same in a server's own thread and in those that it has started.
 */

import { toError } from '../../errors.ts'
import type { Message } from '../../wire/index.ts'
import { type Command, takesFields } from '../command/command.ts'
import type { IncomingStreams } from '../command/command-registry.ts'
import { type CommandRegistry, newCommand, setState, ValueMaker } from '../command/command-registry.ts'
import { pendingCheck } from '../command/contract.ts'
import { type CallHead, decodeCallFields, decodeCallState } from '../dialect/native/message.ts'
import { wordsOf } from '../error/error-text.ts'
import { STATUS } from '../error/status.ts'
import { runIntercepted, type ServerInterceptor } from '../interceptor.ts'
import type { Registration } from './registration.ts'
import type { ServiceContext } from './service.ts'
import { Refused } from './service-run.ts'

/** A call, as far as it matters here: what its service is told, and whose streams stand in its state. */
type RunnableCall = ServiceContext & IncomingStreams

export class CommandRunner {
  readonly #registry: CommandRegistry
  readonly #interceptors: readonly ServerInterceptor[]

  constructor(registry: CommandRegistry, interceptors: readonly ServerInterceptor[]) {
    this.#registry = registry
    this.#interceptors = interceptors
  }

  /** A native call whose head was read. @throws Refused, now or later, for a state that cannot be read or breaks its contract; what the service throws. */
  readAndRun(registration: Registration, body: Message, head: CallHead, call: RunnableCall): unknown {
    return this.run(registration, this.#read(body, head, call), call)
  }

  /** @throws Refused, now or later, for a state that breaks its contract; what the service throws. */
  run(registration: Registration, command: Command, call: ServiceContext): unknown {
    const checked = pendingCheck(command)
    if (checked === undefined) return this.#serve(registration, command, call)
    return checked.then(
      () => this.#serve(registration, command, call),
      (cause: unknown) => {
        throw unreadable(registration.name, cause)
      },
    )
  }

  #serve({ name, contract, execute }: Registration, command: Command, call: ServiceContext): unknown {
    const plain = this.#interceptors.length === 0
    const result = plain
      ? execute(command, call)
      : runIntercepted(this.#interceptors, { command, name, context: call }, () => execute(command, call))
    const { checkResult } = contract
    if (checkResult === undefined) return result
    return result instanceof Promise ? result.then((value) => kept(name, checkResult, value)) : kept(name, checkResult, result)
  }

  #read(body: Message, head: CallHead, call: IncomingStreams): Command {
    const { name } = head
    try {
      const hooks = new ValueMaker(this.#registry, call)
      const command = newCommand(this.#registry, name)
      if (!takesFields(command) || !decodeCallFields(body, head, hooks, command))
        setState(command, name, decodeCallState(body, head, hooks))
      return command
    } catch (cause) {
      throw unreadable(name, cause)
    }
  }
}

function unreadable(name: string, cause: unknown): Refused {
  const words = wordsOf(toError(cause))
  // What a schema says names the command already.
  const text = words.includes(`command "${name}"`) ? words : `Command "${name}" cannot be read: ${words}`
  return new Refused({ status: STATUS.badCommand, text, name, cause })
}

/** A result that keeps its contract. @throws Refused, now or later */
function kept(name: string, checkResult: (result: unknown) => unknown, result: unknown): unknown {
  const broken = (cause: unknown): never => {
    throw new Refused({ status: STATUS.badResult, text: `The service broke its contract: ${wordsOf(toError(cause))}`, name, cause })
  }
  try {
    const checked = checkResult(result)
    return checked instanceof Promise ? checked.catch(broken) : checked
  } catch (cause) {
    return broken(cause)
  }
}
