/**
 * Values by prefixes of bytes: finds all prefixes of a frame in one walk over it, however many there are, and however deeply
 * they lie within each other. (A table for each length would read the frame's beginning again for each: a subscriber of many
 * lengths could make each message cost a third of a second.)
 *
 * A radix tree: a node stands for the bytes from `start` to `end` of its text, between its parent's and its children's. Texts are
 * latin1, a character a byte. No text is copied or cut: a node that only parts two others shows its bytes in the key of one below
 * it, its `source`, so that no key is kept that is not in the tree.
 */

interface Node<V> {
  start: number
  end: number
  /** Its own key, as far as it has a value. */
  key: string | undefined
  value: V | undefined
  /** The node whose key holds its bytes: itself, or one below. */
  source: Node<V>
  /** By their first byte. */
  children: Map<number, Node<V>> | undefined
}

export class PrefixTree<V extends object> {
  readonly #root = leaf<V>('', 0, undefined)

  get(key: string): V | undefined {
    return this.#path(key).at(-1)?.value
  }

  /** A key that is not there yet. */
  add(key: string, value: V): void {
    let node = this.#root
    while (node.end < key.length) {
      const first = key.charCodeAt(node.end)
      const child = node.children?.get(first)
      if (child === undefined) {
        setChild(node, first, leaf(key, node.end, value))
        return
      }
      const common = commonEnd(child, key)
      node = common < child.end ? this.#split(node, child, common) : child
    }
    node.key = key
    node.value = value
    node.source = node
  }

  /** A key that is there. */
  delete(key: string): void {
    const path = this.#path(key)
    const node = path.pop() as Node<V>
    node.key = undefined
    node.value = undefined
    if (path.length === 0) return
    const parent = path.at(-1) as Node<V>
    if (node.children === undefined) {
      removeChild(parent, key.charCodeAt(node.start))
      if (parent.value === undefined && path.length > 1) this.#skip(path[path.length - 2] as Node<V>, parent)
    } else {
      node.source = firstChild(node).source
      this.#skip(parent, node)
    }
    // From the lowest up: each takes the source of a child that has a good one.
    for (let index = path.length - 1; index > 0; index--) {
      const above = path[index] as Node<V>
      if (above.source === node && above.children !== undefined) above.source = firstChild(above).source
    }
  }

  /** Puts the values of all prefixes of the frame, the shortest first, at the beginning of `found`; returns their number. */
  collect(frame: Buffer, found: (V | undefined)[]): number {
    let count = 0
    for (let node: Node<V> | undefined = this.#root; node !== undefined; node = next(node, frame)) {
      if (node.value !== undefined) found[count++] = node.value
    }
    return count
  }

  /** Whether the frame has a prefix here. */
  matches(frame: Buffer): boolean {
    for (let node: Node<V> | undefined = this.#root; node !== undefined; node = next(node, frame)) {
      if (node.value !== undefined) return true
    }
    return false
  }

  /** The nodes from the root to that of the key; empty when it has none. */
  #path(key: string): Node<V>[] {
    const path = [this.#root]
    for (let node = this.#root; node.end < key.length; ) {
      const child = node.children?.get(key.charCodeAt(node.end))
      if (child === undefined || commonEnd(child, key) < child.end) return []
      path.push(child)
      node = child
    }
    return path
  }

  /** Puts a node between a node and its child, which ends at `end`. */
  #split(parent: Node<V>, child: Node<V>, end: number): Node<V> {
    const { start, source } = child
    const text = source.key as string
    const between: Node<V> = { start, end, key: undefined, value: undefined, source, children: undefined }
    child.start = end
    setChild(parent, text.charCodeAt(start), between)
    setChild(between, text.charCodeAt(end), child)
    return between
  }

  /** Takes a node without a value out when it parts nothing: it has one child. */
  #skip(parent: Node<V>, node: Node<V>): void {
    if (node.children?.size !== 1) return
    const child = firstChild(node)
    child.start = node.start
    setChild(parent, (child.source.key as string).charCodeAt(child.start), child)
  }
}

function leaf<V>(key: string, start: number, value: V | undefined): Node<V> {
  const node = { start, end: key.length, key, value, children: undefined } as unknown as Node<V>
  node.source = node
  return node
}

/** The child that the frame goes on with, when it has all of its bytes. */
function next<V>(node: Node<V>, frame: Buffer): Node<V> | undefined {
  if (node.children === undefined || node.end >= frame.length) return undefined
  const child = node.children.get(frame[node.end] as number)
  if (child === undefined || child.end > frame.length) return undefined
  const text = child.source.key as string
  for (let at = child.start + 1; at < child.end; at++) if (text.charCodeAt(at) !== frame[at]) return undefined
  return child
}

/** How far the key goes along with the node. */
function commonEnd<V>(node: Node<V>, key: string): number {
  const text = node.source.key as string
  const end = Math.min(node.end, key.length)
  let at = node.start
  while (at < end && text.charCodeAt(at) === key.charCodeAt(at)) at++
  return at
}

function firstChild<V>(node: Node<V>): Node<V> {
  const [child] = (node.children as Map<number, Node<V>>).values()
  return child as Node<V>
}

function setChild<V>(node: Node<V>, first: number, child: Node<V>): void {
  node.children ??= new Map()
  node.children.set(first, child)
}

function removeChild<V>(node: Node<V>, first: number): void {
  node.children?.delete(first)
  if (node.children?.size === 0) node.children = undefined
}
