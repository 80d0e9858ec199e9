import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, it } from 'vitest'
import { isHeard, publish } from '../../../src/observability/events.ts'

const NAME = 'zmq-rpc:dropped'
const EVENT = { endpoint: 'tcp://*:1', remoteAddress: undefined, reason: 'x' }

describe('an event', () => {
  it('is not even made while nobody listens', () => {
    expect(isHeard(NAME)).toBe(false)
    publish(NAME, () => {
      throw new Error('it was made')
    })
  })

  it('is made once for all who listen, and no more when they have left', () => {
    const heard: unknown[] = []
    const listeners = [(event: unknown) => void heard.push(event), (event: unknown) => void heard.push(event)]
    for (const listener of listeners) subscribe(NAME, listener)
    expect(isHeard(NAME)).toBe(true)
    expect(isHeard('zmq-rpc:connected')).toBe(false)
    let made = 0
    const payload = (): typeof EVENT => {
      made++
      return EVENT
    }
    publish(NAME, payload)
    for (const listener of listeners) unsubscribe(NAME, listener)
    publish(NAME, payload)
    expect([made, heard]).toEqual([1, [EVENT, EVENT]])
    expect(isHeard(NAME)).toBe(false)
  })
})
