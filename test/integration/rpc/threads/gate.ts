/** Where a thread stands still, as one does that computes, until the test lets it go on. Handed to it as its `data`. */
export class Gate {
  readonly memory = new SharedArrayBuffer(4)

  open(): void {
    const open = new Int32Array(this.memory)
    Atomics.store(open, 0, 1)
    Atomics.notify(open, 0)
  }

  /** In the thread. */
  static pass(memory: unknown): void {
    if (!(memory instanceof SharedArrayBuffer)) throw new TypeError('this thread was given no gate')
    Atomics.wait(new Int32Array(memory), 0, 0)
  }
}
