import { describe, expect, it } from 'vitest'
import type { KeptCommand } from '../../../../src/rpc/buffer/kept-command.ts'
import { verdictOf } from '../../../../src/rpc/buffer/verdict.ts'
import { encodeError } from '../../../../src/rpc/dialect/native/message.ts'
import { encodeReply } from '../../../../src/rpc/dialect/pyzmqrpc3.ts'

const command = { name: 'Count' } as KeptCommand

describe('an answer with a status', () => {
  it('that nobody knows is not tried for ever: the attempt counts', () => {
    expect(verdictOf([encodeReply({ status: 477, statusText: 'new' })], command)).toMatchObject({ kind: 'again', counts: true })
    expect(verdictOf(encodeError({ status: 477, text: 'new' }), command)).toMatchObject({ kind: 'again', counts: true })
  })

  it('that says not now does not count', () => {
    for (const status of [408, 429, 503, 507]) {
      expect(verdictOf(encodeError({ status, text: 'later' }), command), `${status}`).toMatchObject({ kind: 'again', counts: false })
    }
  })
})
