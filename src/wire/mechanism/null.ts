/** NULL: no security. Each side sends READY at once, with its metadata [RFC 37, The NULL Mechanism]. */

import { type Command, encodeCommand } from '../command.ts'
import { decodeMetadata } from '../metadata.ts'
import { decodeError, type HandshakeStep, type Mechanism, unexpected } from './mechanism.ts'

export class NullMechanism implements Mechanism {
  readonly name = 'NULL'
  readonly asServer = false
  readonly #metadata: Buffer

  constructor(metadata: Buffer) {
    this.#metadata = metadata
  }

  start(): Buffer {
    return encodeCommand('READY', this.#metadata)
  }

  receive(command: Command): HandshakeStep {
    if (command.name === 'READY') return { name: 'ready', metadata: decodeMetadata(command.data) }
    if (command.name === 'ERROR') return decodeError(command.data)
    throw unexpected(command, 'READY')
  }

  answer(): never {
    throw new Error('NULL asks nobody')
  }
}
