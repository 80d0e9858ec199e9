/** Ages on machines that are restarted, with a wall clock that is right, wrong, or not there. */

import { beforeEach, describe, expect, it } from 'vitest'
import { BufferClock, type Stamp } from '../../../../src/rpc/buffer/buffer-clock.ts'

const HOUR = 3_600_000
const NOON = Date.UTC(2026, 10, 22, 12)

/** The machine: its clock since it was started, and its wall clock. */
const machine = { boot: '0000000000000001', machineMs: 1000, wallMs: NOON }
const clocks = { boot: () => machine.boot, machineMs: () => machine.machineMs, wallMs: () => machine.wallMs }

function pass(ms: number): void {
  machine.machineMs += ms
  machine.wallMs += ms
}

/** Off for so long; `wallMs`: what the wall clock says then, where it does not know. */
function restart(offMs: number, wallMs = machine.wallMs + offMs + 500): void {
  machine.boot = `${Number(machine.boot) + 1}`.padStart(16, '0')
  machine.machineMs = 500
  machine.wallMs = wallMs
}

beforeEach(() => Object.assign(machine, { boot: '0000000000000001', machineMs: 1000, wallMs: NOON }))

describe('the age of a command', () => {
  it('is exact within one run of the machine, whatever the wall clock does, over restarts of the program', () => {
    const stamp = new BufferClock(clocks).stamp()
    pass(5 * HOUR)
    machine.wallMs -= 1000 * HOUR
    expect(new BufferClock(clocks).ageMs(stamp)).toBe(5 * HOUR)
  })

  it('takes the time in that the machine was off, where the wall clock knows it', () => {
    const stamp = new BufferClock(clocks).stamp()
    pass(HOUR)
    restart(10 * HOUR)
    expect(new BufferClock(clocks).ageMs(stamp)).toBe(11 * HOUR + 500)
  })

  it('is at least the time since the machine was started, where the wall clock has gone back, or was never set', () => {
    for (const wallMs of [NOON - 24 * HOUR, 0]) {
      Object.assign(machine, { machineMs: 1000, wallMs: NOON })
      const stamp = new BufferClock(clocks).stamp()
      restart(10 * HOUR, wallMs)
      pass(HOUR)
      const clock = new BufferClock(clocks)
      expect(clock.ageMs(stamp)).toBe(HOUR + 500)
      expect(clock.doubts).toBe(1)
    }
  })

  it('becomes right when the wall clock is set at last', () => {
    const stamp = new BufferClock(clocks).stamp()
    restart(10 * HOUR, 0)
    const clock = new BufferClock(clocks)
    expect(clock.ageMs(stamp)).toBe(500)
    machine.wallMs = NOON + 10 * HOUR + 500
    expect(clock.ageMs(stamp)).toBe(10 * HOUR + 500)
  })

  it('does not become fifty years when it was accepted before the wall clock was set', () => {
    machine.wallMs = 0
    const stamp = new BufferClock(clocks).stamp()
    restart(HOUR, NOON)
    expect(new BufferClock(clocks).ageMs(stamp)).toBe(500)
  })

  it('adds up what each run of the machine has seen, as the stamps that are read tell', () => {
    const first = new BufferClock(clocks)
    const oldest = first.stamp()
    pass(2 * HOUR)
    const later: Stamp = first.stamp()
    restart(10 * HOUR, 0)
    pass(HOUR)
    const clock = new BufferClock(clocks)
    clock.heard(oldest)
    clock.heard(later)
    expect(clock.ageMs(oldest)).toBe(3 * HOUR + 500)
    expect(clock.now()).toBeGreaterThanOrEqual(later.bufferMs)
  })
})
