/**
 * From one dialect to the other, for a proxy between two sides that do not have one in common. A request of the pyzmqrpc3 dialect needs no
 * translation: every server of ours reads it, and answers in it.
 */

import { isUtf8 } from 'node:buffer'
import { toError, ZmqRpcError } from '../../errors.ts'
import type { Message } from '../../wire/index.ts'
import { OpaqueCommand } from '../command/command.ts'
import { wordsOf } from '../error/error-text.ts'
import { pythonStatusOf, STATUS } from '../error/status.ts'
import { KIND } from './native/header.ts'
import { decodeCall, decodeError, decodeReply, type Extras, encodeCall, encodeError, encodeReply } from './native/message.ts'
import type { ReadHooks } from './native/reader.ts'
import * as pyzmqrpc3 from './pyzmqrpc3.ts'

/** Commands stay what they are: name and state. */
const OPAQUE: ReadHooks = {
  command: (name, state) => new OpaqueCommand(name, state),
  stream: () => {
    throw new ZmqRpcError('BAD_COMMAND', 'a stream cannot pass to a side that speaks the pyzmqrpc3 dialect')
  },
}

/** A native call as pyzmqrpc3 writes it. @throws ZmqRpcError BAD_COMMAND for what that dialect cannot hold; NativeError for what is no call. */
export function callToPython(body: Message): Message {
  const { name, state } = decodeCall(body, OPAQUE)
  return [pyzmqrpc3.encodeCommand(new OpaqueCommand(name, state))]
}

/** A command of pyzmqrpc3 as a native call; undefined for a text that is none. */
export function callOfPython(body: Message, timeLeftMs: number, extras: Extras): Message | undefined {
  const command = body.length === 1 ? pyzmqrpc3.decodeOpaque(body[0] as Buffer) : undefined
  return command && encodeCall({ name: command.name, state: command.state, timeLeftMs, flags: 0, extras })
}

/** What a program of pyzmqrpc3 survives: one frame of text. Binary ends it, and a second frame has its socket stuck. */
export function isText(body: Message): boolean {
  return body.length === 1 && isUtf8(body[0] as Buffer)
}

/** A reply of pyzmqrpc3 for one who speaks that: as it is, if it is one. */
export function replyOfPython(body: Message): Message {
  return isText(body)
    ? body
    : reply(STATUS.proxyFailed, pyzmqrpc3.STATUS_TEXT.proxyFailed, 'the far end answered with something that is no text')
}

/** A native reply that breaks the rules. */
export function tooManyStreams(streams: number): Message {
  return encodeError({ status: STATUS.proxyFailed, text: `the far end answered with ${streams} streams: that is more than there may be` })
}

/** A reply of pyzmqrpc3 as a native one. What cannot be read is told as status 482. */
export function replyToNative(body: Message): Message {
  try {
    if (body.length !== 1) throw new Error(`it has ${body.length} frames, not one`)
    const decoded = pyzmqrpc3.decodeReply(body[0] as Buffer)
    if (decoded.status === STATUS.ok) return encodeReply(decoded.result)
    return encodeError({ status: decoded.status, text: pyzmqrpc3.reasonOf(decoded) })
  } catch (error) {
    return encodeError({
      status: STATUS.proxyFailed,
      text: `the far end answered with something that cannot be read: ${wordsOf(toError(error))}`,
    })
  }
}

/** A native reply, or error, as pyzmqrpc3 writes it. What cannot be written is told as status 482. */
export function replyToPython(kind: number, body: Message): Message {
  try {
    if (kind !== KIND.error) return reply(STATUS.ok, pyzmqrpc3.STATUS_TEXT.ok, decodeReply(body, OPAQUE).value)
    const { status, text } = decodeError(body).error
    if (status === STATUS.proxyFailed) return reply(status, pyzmqrpc3.STATUS_TEXT.proxyFailed, text)
    return reply(pythonStatusOf(status), text, undefined)
  } catch (error) {
    return reply(STATUS.proxyFailed, pyzmqrpc3.STATUS_TEXT.proxyFailed, `the answer cannot be passed on: ${wordsOf(toError(error))}`)
  }
}

function reply(status: number, statusText: string, result: unknown): Message {
  return [pyzmqrpc3.encodeReply({ status, statusText, result })]
}
