import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MessageQueue } from '../../../src/session/message-queue.ts'

const message = (bytes: number): Buffer[] => [Buffer.alloc(bytes)]

describe('a queue of messages', () => {
  it('is first in, first out, through any growth and wrap', () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 3, arbitrary: fc.integer({ min: 0, max: 9 }) },
        { weight: 2, arbitrary: fc.constant('shift' as const) },
        { weight: 1, arbitrary: fc.constantFrom('remove' as const, 'unshift' as const) },
      ),
      { maxLength: 300 },
    )
    fc.assert(
      fc.property(steps, (sequence) => {
        const queue = new MessageQueue(0, 0)
        const model: Buffer[][] = []
        for (const step of sequence) {
          if (step === 'shift') {
            expect(queue.shift()).toBe(model.shift())
          } else if (step === 'unshift') {
            const added = message(5)
            queue.unshift(added)
            model.unshift(added)
          } else if (step === 'remove') {
            // From the middle, where there is one.
            const [removed] = model.splice(model.length >> 1, 1)
            expect(queue.remove((candidate) => candidate === removed)).toBe(removed !== undefined)
          } else {
            const added = message(step)
            expect(queue.push(added)).toBe(true)
            model.push(added)
          }
          expect(queue.length).toBe(model.length)
          expect(queue.bytes).toBe(model.reduce((sum, [frame]) => sum + (frame?.length ?? 0), 0))
        }
        while (model.length > 0) expect(queue.shift()).toBe(model.shift())
        expect(queue.shift()).toBeUndefined()
      }),
    )
  })

  it('refuses at its mark, whatever the number of frames', () => {
    const queue = new MessageQueue(2, 0)
    expect(queue.push([Buffer.alloc(1), Buffer.alloc(1), Buffer.alloc(1)])).toBe(true)
    expect(queue.full).toBe(false)
    expect(queue.push(message(1))).toBe(true)
    expect(queue.full).toBe(true)
    expect(queue.push(message(1))).toBe(false)
    expect(queue.length).toBe(2)
  })

  it('counts all frames of a message towards its bytes', () => {
    const queue = new MessageQueue(0, 100)
    queue.push([Buffer.alloc(40), Buffer.alloc(59)])
    expect([queue.bytes, queue.full]).toEqual([99, false])
    queue.push(message(500))
    expect([queue.bytes, queue.full]).toEqual([599, true])
    expect(queue.push(message(0))).toBe(false)
    queue.shift()
    expect([queue.bytes, queue.full]).toEqual([500, true])
    queue.shift()
    expect([queue.bytes, queue.full]).toEqual([0, false])
  })

  it('takes one message of any size when it is empty', () => {
    expect(new MessageQueue(1, 1).push(message(1000))).toBe(true)
  })

  it('keeps what has come already over the mark', () => {
    const queue = new MessageQueue(1, 0)
    for (let count = 0; count < 40; count++) queue.pushAnyway(message(count))
    expect(queue.length).toBe(40)
    for (let count = 0; count < 40; count++) expect(queue.shift()?.[0]?.length).toBe(count)
  })

  it.each([
    [10, 5],
    [3, 1],
    [2, 1],
    [1, 0],
  ])('with a mark of %i is half empty at %i messages', (mark, half) => {
    const queue = new MessageQueue(mark, 0)
    while (queue.push(message(1)));
    while (queue.length > half + 1) queue.shift()
    if (mark > 1) expect(queue.halfEmpty).toBe(false)
    queue.shift()
    expect(queue.halfEmpty).toBe(true)
  })

  it('is empty after clear, and usable', () => {
    const queue = new MessageQueue(2, 10)
    queue.push(message(10))
    queue.clear()
    expect([queue.length, queue.bytes, queue.full]).toEqual([0, 0, false])
    expect(queue.shift()).toBeUndefined()
    expect(queue.push(message(3))).toBe(true)
    expect(queue.shift()?.[0]?.length).toBe(3)
  })
})
