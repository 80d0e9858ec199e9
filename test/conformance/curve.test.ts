/** The numbered cases of CURVE. What each of them is made of, in all its variants: `test/unit/wire/curve*.test.ts`. */

import { describe, expect, it } from 'vitest'
import { loadCrypto } from '../../src/wire/mechanism/crypto.ts'
import { Sealer, serverInTraffic, serverOf, serverRecorder, V } from '../unit/wire/curve-helpers.ts'
import { bytes, greeting, naiveFrame, Recorder } from '../unit/wire/helpers.ts'

await loadCrypto()

const HELLO = naiveFrame(4, V.hello)
const INITIATE = naiveFrame(4, V.initiate)

function changed(body: Buffer, offset: number, to?: number): Buffer {
  const copy = Buffer.from(body)
  copy.writeUInt8(to ?? copy.readUInt8(offset) ^ 1, offset)
  return naiveFrame(4, copy)
}

describe('42. CURVE closes', () => {
  it.each([
    [
      'on a HELLO for another server key',
      (): Recorder =>
        new Recorder({ type: 'ROUTER', mechanism: (metadata) => serverOf({ ...V, serverSecret: Buffer.alloc(32, 9) }, metadata) }).hear(
          greeting('CURVE'),
          HELLO,
        ),
    ],
    ['on a HELLO of 199 bytes', (): Recorder => serverRecorder().hear(greeting('CURVE'), naiveFrame(4, V.hello.subarray(0, 199)))],
    ['on a HELLO of version 2', (): Recorder => serverRecorder().hear(greeting('CURVE'), changed(V.hello, 6, 2))],
    ['on an altered cookie', (): Recorder => serverRecorder().hear(greeting('CURVE'), HELLO, changed(V.initiate, 50))],
    ['on a tampered box', (): Recorder => serverRecorder().hear(greeting('CURVE'), HELLO, changed(V.initiate, 200))],
  ])('%s', (_name, run) => {
    const recorder = run()
    expect(recorder.log).toEqual([expect.stringMatching(/^closed ProtocolError/)])
  })

  it('on a repeated counter', () => {
    const frame = new Sealer('client').frame(0, '"a"')
    expect(serverInTraffic().hear(frame, frame).log).toEqual(['message 61', expect.stringMatching(/^closed ProtocolError/)])
  })

  it('and says no more than it had to', () => {
    const recorder = serverRecorder().hear(greeting('CURVE'), HELLO, changed(V.initiate, 200), INITIATE)
    expect(recorder.said()).toEqual(bytes(greeting('CURVE', 1, 1), naiveFrame(4, V.welcome)))
  })
})

describe('43. MESSAGE of CURVE', () => {
  it('is accepted with COMMAND outside', () => {
    expect(serverInTraffic().hear(naiveFrame(4, new Sealer('client').seal(0, '"a"'))).log).toEqual(['message 61'])
  })

  it('is sent without', () => {
    const recorder = serverInTraffic()
    recorder.connection.send([Buffer.from('a')])
    expect(recorder.said().readUInt8(0)).toBe(0)
  })
})
