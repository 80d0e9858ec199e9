/**
 * The end of a server, for as long as calls may still have to be answered: those under way, those that clients sent before they heard that it
 * stops, and the first ones of clients whose handshake is not over.
 */

import type { Peer } from '../../session/peer.ts'
import { timerMs } from '../deadlines.ts'

/** Clients that were told have so long to say that they have heard it, and handshakes so long to end. */
const PARTING_MS = 1000

/** How often is looked for handshakes that came to nothing: nobody tells. */
const LOOK_MS = 10

/** What is under way. */
interface UnderWay {
  readonly calls: number
  readonly handshakes: number
}

export class Farewell {
  readonly #underWay: () => UnderWay
  /** Told, and not heard from since: calls of theirs may be on the way. */
  readonly #parting = new Set<Peer>()
  #waitsForHandshakes = true
  #finished: (() => void) | undefined

  constructor(underWay: () => UnderWay) {
    this.#underWay = underWay
  }

  /** This client is told now. */
  told(peer: Peer): void {
    this.#parting.add(peer)
  }

  /** No call of this client can be on the way any more. */
  parted(peer: Peer): void {
    if (this.#parting.delete(peer)) this.look()
  }

  /** Resolves when nothing more is to be answered, or after so long. */
  async take(ms: number): Promise<void> {
    const parting = setTimeout(
      () => {
        this.#parting.clear()
        this.#waitsForHandshakes = false
        this.look()
      },
      Math.min(ms, PARTING_MS),
    )
    const over = setTimeout(() => this.#finished?.(), timerMs(ms))
    const looking = setInterval(() => this.look(), LOOK_MS)
    await new Promise<void>((resolve) => {
      this.#finished = resolve
      this.look()
    })
    clearTimeout(parting)
    clearTimeout(over)
    clearInterval(looking)
  }

  /** Something has ended. */
  look(): void {
    if (this.#finished === undefined) return
    const { calls, handshakes } = this.#underWay()
    if (calls > 0 || this.#parting.size > 0) return
    // Whose handshake is over for itself has sent what it had to send, and would never hear what became of it.
    if (!(this.#waitsForHandshakes && handshakes > 0)) this.#finished()
  }
}
