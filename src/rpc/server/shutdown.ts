/** Who may stop a server with a {@link ShutdownServer} command, and what the others are told; of servers and of proxies. */

import { ZmqRpcError } from '../../errors.ts'
import { ShutdownServer } from '../command/command.ts'
import { STATUS } from '../error/status.ts'
import type { Allow } from './allow.ts'
import type { Refusal } from './service-run.ts'

/**
 * The rule that the option `allowShutdown` stands for.
 *
 * @throws ZmqRpcError BAD_OPTION: whatever else were given would not be what it looks like, as the text "false".
 */
export function shutdownRule(given: unknown, fallback: Allow): Allow {
  if (given === undefined) return fallback
  if (typeof given !== 'boolean') throw new ZmqRpcError('BAD_OPTION', `allowShutdown is of type ${typeof given}: it is true or false`)
  return given ? 'everyone' : 'nobody'
}

export function noShutdown(text: string): Refusal {
  return {
    status: STATUS.notAllowed,
    text: `${text}: it takes a password, a key that it knows, or its option allowShutdown`,
    // To a Python client its service fails, by the name that pyzmqrpc3's has.
    pythonName: 'ShutdownServerService',
    name: ShutdownServer.commandName,
  }
}
