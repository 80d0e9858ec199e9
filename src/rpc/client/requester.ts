/** The REQ side of a client or sender: several endpoints, and which of them a call goes to. */

import { ZmqRpcError } from '../../errors.ts'
import type { Deadlines } from '../deadlines.ts'
import type { Hello } from '../dialect/native/message.ts'
import type { Endpoint } from '../endpoint.ts'
import { Attempts } from './attempts.ts'
import { type BalancePolicy, Balancer } from './balancer.ts'
import type { CallSettings } from './call.ts'
import { Inquiries } from './inquiries.ts'
import type { CallRequest } from './request.ts'
import { RequestLink, type RequestLinkOptions } from './request-link.ts'
import type { RetryBudget } from './retry-budget.ts'
import { Submissions } from './submissions.ts'

export class Requester {
  readonly #links: RequestLink[] = []
  readonly #balancer: Balancer
  readonly #deadlines: Deadlines

  constructor(
    endpoints: readonly Endpoint[],
    options: RequestLinkOptions,
    deadlines: Deadlines,
    balance: BalancePolicy,
    onHello: (link: RequestLink, hello: Hello) => void = () => {},
    onChange: () => void = () => {},
  ) {
    this.#balancer = new Balancer(balance)
    this.#deadlines = deadlines
    const owner = {
      ready: (link: RequestLink) => {
        this.#gather(link)
        onChange()
      },
      away: (link: RequestLink) => {
        this.#handOver(link)
        onChange()
      },
      hello: onHello,
      placeFor: (link: RequestLink) => this.#placeFor(link),
    }
    for (const endpoint of endpoints) this.#links.push(new RequestLink(endpoint, options, deadlines, owner))
  }

  get links(): readonly RequestLink[] {
    return this.#links
  }

  /** Calls one endpoint: those that take calls before those that do not. @throws ZmqRpcError BAD_OPTION without any. */
  call(request: CallRequest, settings: CallSettings): Promise<unknown> {
    const link = this.#balancer.pick(this.#links)
    if (link === undefined) throw new ZmqRpcError('BAD_OPTION', 'there is no endpoint to call: give the client req')
    return link.call(request, settings, true)
  }

  /** Who makes calls that may be tried again. */
  attempts(budget: RetryBudget): Attempts<RequestLink> {
    return new Attempts(this.#links, this.#balancer, budget)
  }

  /** Who has commands kept. */
  submissions(maxWaiting: number): Submissions<RequestLink> {
    return new Submissions(this.#links, this.#balancer, this.#deadlines, maxWaiting)
  }

  /** Who asks about them. */
  inquiries(): Inquiries {
    return new Inquiries(this.#links, this.#balancer)
  }

  /** Resolves when so many endpoints are connected. @throws as {@link RequestLink.whenConnected} once that cannot be any more. */
  whenConnected(count: number, timeoutMs: number): Promise<void> {
    const links = this.#links
    if (links.filter((link) => link.connected).length >= count) return Promise.resolve()
    return new Promise((resolve, reject) => {
      let missing = count
      let spare = links.length - count
      for (const link of links) {
        link.whenConnected(timeoutMs).then(
          () => --missing === 0 && resolve(),
          (error: Error) => spare-- === 0 && reject(error),
        )
      }
    })
  }

  async close(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.close()))
  }

  /** What waits for an endpoint that is away goes to the one that is there. */
  #gather(ready: RequestLink): void {
    for (const link of this.#links) if (!link.available) ready.adopt(link.takeMovable())
  }

  /** Where a call goes that this one has turned away: to one that is there, or else it waits for whichever comes first. */
  #placeFor(link: RequestLink): RequestLink | undefined {
    const links = this.#links
    return links.length < 2 ? undefined : (links.find((other) => other !== link && other.available) ?? link)
  }

  /** What waits for an endpoint that has gone away goes to one that is there, if any is. */
  #handOver(gone: RequestLink): void {
    this.#links.find((link) => link !== gone && link.available)?.adopt(gone.takeMovable())
  }
}
