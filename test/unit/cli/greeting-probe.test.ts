import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judge } from '../../../src/cli/greeting-probe.ts'
import { encodeGreeting } from '../../../src/wire/greeting.ts'

describe('who answers', () => {
  it.each(['NULL', 'PLAIN', 'CURVE'])('is seen from a greeting: %s', (mechanism) => {
    expect(judge(encodeGreeting(mechanism, true))).toEqual({ kind: 'zeromq', version: '3.1', mechanism })
  })

  it.each([
    ['HTTP/1.1 400 Bad Request\r\n', 'an HTTP server'],
    ['SSH-2.0-OpenSSH_9.2p1\r\n', 'an SSH server'],
    ['220 mail.example ESMTP\r\n', 'a mail or FTP server'],
    ['-ERR unknown command\r\n', 'Redis, it seems'],
    ['\x15\x03\x01\x00\x02\x02\x32', 'a server that wants TLS'],
    ['\x00\x00\x00', 'no ZeroMQ peer'],
  ])('is guessed from %j: %s', (text, guess) => {
    expect(judge(Buffer.from(text, 'latin1'))).toMatchObject({ kind: 'stranger', guess })
  })

  it('is too old before version 3', () => {
    expect(judge(Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1]))).toEqual({ kind: 'old' })
  })

  it('is said of any bytes, and shows none that move a cursor', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (bytes) => {
        expect(JSON.stringify(judge(Buffer.from(bytes)))).not.toMatch(/\\u00[01]|[\u007f-\u009f]/)
      }),
    )
  })
})
