/**
 * First in, first out, but any of them may leave before its turn; what it costs does not grow with their number.
 *
 * Not a `Set` or a `Map`, though their order is the same: to come to the first, those pass over all that was deleted in front of it, each time.
 */

interface Place<T> {
  /** Undefined once it has left. */
  item: T | undefined
}

/** So many empty places are kept, or as many as are taken. */
const EMPTY_PLACES = 64

export class Fifo<T extends object> implements Iterable<T> {
  #places: Place<T>[] = []
  /** All before it are empty. */
  #front = 0
  readonly #placeOf = new Map<T, Place<T>>()

  get size(): number {
    return this.#placeOf.size
  }

  get first(): T | undefined {
    const places = this.#places
    for (; this.#front < places.length; this.#front++) {
      const { item } = places[this.#front] as Place<T>
      if (item !== undefined) return item
    }
    return undefined
  }

  has(item: T): boolean {
    return this.#placeOf.has(item)
  }

  /** Behind all others; one that is there already stays where it is. */
  add(item: T): void {
    if (this.has(item)) return
    if (this.#places.length >= 2 * this.size + EMPTY_PLACES) this.#closeRanks()
    const place = { item }
    this.#places.push(place)
    this.#placeOf.set(item, place)
  }

  /** False when it is not there. */
  delete(item: T): boolean {
    const place = this.#placeOf.get(item)
    if (place === undefined) return false
    place.item = undefined
    this.#placeOf.delete(item)
    // Nobody may come for long.
    if (this.size === 0 && this.#places.length >= EMPTY_PLACES) this.#closeRanks()
    return true
  }

  clear(): void {
    this.#places = []
    this.#front = 0
    this.#placeOf.clear()
  }

  /** In order. What leaves meanwhile before its turn does not come. */
  *[Symbol.iterator](): Iterator<T> {
    // Empty places in front are passed over once, and not by everybody who comes to take the first.
    if (this.first === undefined) return
    const places = this.#places
    for (let at = this.#front; at < places.length; at++) {
      const { item } = places[at] as Place<T>
      if (item !== undefined) yield item
    }
  }

  #closeRanks(): void {
    this.#places = this.#places.filter(({ item }) => item !== undefined)
    this.#front = 0
  }
}
