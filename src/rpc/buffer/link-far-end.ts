/** A server of `req` as a buffer sees it. */

import type { RequestLink } from '../client/request-link.ts'
import type { BufferSettings } from './buffer-options.ts'
import type { Attempt, FarEnd, Verdict } from './far-end.ts'
import type { KeptCommand } from './kept-command.ts'
import { KeptRequest } from './kept-request.ts'
import { verdictOfError } from './verdict.ts'

export class LinkFarEnd implements FarEnd {
  readonly link: RequestLink
  readonly #settings: BufferSettings

  constructor(link: RequestLink, settings: BufferSettings) {
    this.link = link
    this.#settings = settings
  }

  get name(): string {
    return this.link.endpoint
  }

  /** One of the native dialect says first whether it has a buffer. */
  get available(): boolean {
    return this.link.available && this.link.keeps !== undefined
  }

  /** A Python server does one thing after the other; what is sent to it beyond that, it may be about to lose. */
  get capacity(): number {
    return this.link.dialect === 'native' ? this.#settings.maxInFlight : 1
  }

  get keepsOrder(): boolean {
    return this.link.dialect === 'native'
  }

  async send(command: KeptCommand, { timeoutMs, ttlMs, signal, inOrder, behind }: Attempt): Promise<Verdict> {
    try {
      const request = new KeptRequest(command, ttlMs, { keeps: this.link.keeps === true, inOrder, behind })
      return (await this.link.call(request, { timeoutMs, signal, thisConnection: true })) as Verdict
    } catch (error) {
      return verdictOfError(error)
    }
  }
}
