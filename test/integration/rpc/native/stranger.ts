/** A client of the native dialect that says what it likes: a bare DEALER that announces what we announce. */

import { ANNOUNCEMENT } from '../../../../src/rpc/dialect/announcement.ts'
import { KIND, kindOf, NO_LIMIT } from '../../../../src/rpc/dialect/native/header.ts'
import { decodeError, decodeReply, encodeCall, encodeCancel } from '../../../../src/rpc/dialect/native/message.ts'
import { Dealer } from '../../../../src/socket/index.ts'
import type { Message } from '../../../../src/wire/index.ts'
import type { Rpc } from '../../../helpers/rpc.ts'

/** What a server said. */
export interface Said {
  /** The number of the call; 0 for the connection's own. */
  readonly id: number
  readonly kind: number
  readonly body: Buffer[]
}

export class Stranger {
  readonly #dealer: Dealer
  #probes = 0x7fff0000

  constructor(rpc: Rpc, endpoint: string, options: ConstructorParameters<typeof Dealer>[0] = {}) {
    this.#dealer = new Dealer({ linger: 0, receiveTimeout: 10_000, handshakeProperties: ANNOUNCEMENT, ...options })
    rpc.defer(() => this.#dealer.close())
    this.#dealer.connect(endpoint)
  }

  close(): Promise<void> {
    return this.#dealer.close()
  }

  /** Frames behind the envelope of a call. */
  async say(id: number, body: Message): Promise<void> {
    const number = Buffer.alloc(4)
    number.writeUInt32BE(id)
    await this.#dealer.send([number, '', ...body])
  }

  /** Frames as they are. */
  async shout(frames: readonly Buffer[]): Promise<void> {
    await this.#dealer.send([...frames])
  }

  call(id: number, name: string, state: unknown = {}, timeLeftMs: number = NO_LIMIT): Promise<void> {
    return this.say(id, encodeCall({ name, state, timeLeftMs, flags: 0 }))
  }

  cancel(id: number): Promise<void> {
    return this.say(id, encodeCancel('no longer wanted'))
  }

  /** The next that belongs to a call. @throws when nothing comes. */
  async hear(): Promise<Said> {
    for (;;) {
      const [id, empty, ...body] = await this.#dealer.receive()
      if (id?.length !== 4 || empty?.length !== 0) throw new Error('an answer without our envelope')
      const said = { id: id.readUInt32BE(), kind: kindOf(body[0] as Buffer), body }
      if (said.id !== 0) return said
    }
  }

  /** All that comes before the answer to a call that is made now. */
  async probe(name = 'Greet'): Promise<Said[]> {
    const id = ++this.#probes
    await this.call(id, name, { name: 'probe' })
    const before: Said[] = []
    for (;;) {
      const said = await this.hear()
      if (said.id === id) return before
      before.push(said)
    }
  }
}

/** The result in a reply, or the status of an error. */
export function outcomeOf({ kind, body }: Said): unknown {
  return kind === KIND.reply ? decodeReply(body, {}).value : decodeError(body).error.status
}
