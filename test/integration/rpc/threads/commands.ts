/** What the tests have carried out in threads. */

import { Command, ServiceError } from '../../../../src/index.ts'

/** Says what it is told of its call. */
export class WhoAmI extends Command<{
  thread: number
  index: number
  data: unknown
  username: string | undefined
  roles: readonly string[] | undefined
  endpoint: string
  kind: string
  metadata: Record<string, string>
}> {}

/** Computes for so long, and says which thread did. */
export class Spin extends Command<number> {
  ms: number
  constructor(ms = 0) {
    super()
    this.ms = ms
  }
}

/** Has its thread stand still until the gate is opened; says which thread did. */
export class Block extends Command<number> {}

/** Ends its thread, after so long: in which way? */
export class Crash extends Command<void> {
  how: 'throws' | 'rejects' | 'exits' | 'exits well' | 'runs out of memory'
  afterMs: number
  constructor(how: Crash['how'] = 'throws', afterMs = 0) {
    super()
    this.how = how
    this.afterMs = afterMs
  }
}

/** Waits until nobody waits for it; then goes on for so long. */
export class Wait extends Command<string> {
  name: string
  goOnMs: number
  constructor(name = '', goOnMs = 0) {
    super()
    this.name = name
    this.goOnMs = goOnMs
  }
}

/** What has happened in the thread so far. */
export class Log extends Command<string[]> {}

export class Note extends Command<number> {
  text: string
  constructor(text = '') {
    super()
    this.text = text
  }
}

/** So many numbers, and then an end. */
export class Numbers extends Command<AsyncIterable<number>> {
  count: number
  end: 'well' | 'throws' | 'exits'
  constructor(count = 0, end: Numbers['end'] = 'well') {
    super()
    this.count = count
    this.end = end
  }
}

/** Each item of the caller's, doubled; binaries twice as long. */
export class Double extends Command<AsyncIterable<unknown>> {
  items: AsyncIterable<unknown> = (async function* () {})()
}

export class Sum extends Command<number> {
  items: AsyncIterable<number> = (async function* (): AsyncGenerator<number> {})()
}

/** Comes back as it went; `own`: the memory of the answer is the thread's, and is sent again with the next one. */
export class Binary extends Command<Uint8Array> {
  bytes: Uint8Array
  how: 'as it came' | 'kept' | 'given away'
  constructor(bytes: Uint8Array = new Uint8Array(), how: Binary['how'] = 'as it came') {
    super()
    this.bytes = bytes
    this.how = how
  }
}

export class Fail extends Command<void> {
  how: 'of our own' | 'plain' | 'result'
  constructor(how: Fail['how'] = 'plain') {
    super()
    this.how = how
  }
}

export class OutOfPaper extends ServiceError<{ tray: number }> {}

/** For some only, or for those that a function lets pass. */
export class ForKeepers extends Command<string> {}
export class ForNight extends Command<string> {}
export class ForNobody extends Command<string> {}
