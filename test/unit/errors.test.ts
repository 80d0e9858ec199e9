import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { codeOfStatus, ERROR_CODES, type ErrorCode, RemoteError, ZmqRpcError } from '../../src/errors.ts'
import { pythonStatusOf, STATUS } from '../../src/rpc/error/status.ts'

const CODES = Object.keys(ERROR_CODES) as ErrorCode[]

describe('the table of codes', () => {
  it('is the table of docs/errors.md, word for word', () => {
    const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
    const section = page.slice(page.indexOf('## Codes\n'), page.indexOf('\n## ', page.indexOf('## Codes\n') + 1))
    const written = section.split('\n').filter((line) => line.startsWith('| `'))
    const expected = Object.entries(ERROR_CODES).map(([code, traits]) => {
      const status = 'status' in traits ? ` ${traits.status} ` : ' '
      const { meaning, started, retrySafe, http, grpc } = traits
      return `| \`${code}\` |${status}| ${meaning} | ${started} | ${retrySafe} | ${http} | ${grpc} |`
    })
    expect(written).toEqual(expected)
  })

  it('gives every status but 200 one code, and back', () => {
    const statuses = Object.values(STATUS).filter((status) => status !== STATUS.ok)
    for (const status of statuses) expect(ERROR_CODES[codeOfStatus(status)]).toMatchObject({ status })
    expect(CODES.flatMap((code) => ('status' in ERROR_CODES[code] ? [ERROR_CODES[code].status] : [])).sort()).toEqual(statuses.sort())
    expect(codeOfStatus(299)).toBe('REMOTE_ERROR')
  })

  it('never lets a command be sent again by itself that was carried out', () => {
    for (const code of CODES) {
      const { started, retrySafe } = new ZmqRpcError(code, '')
      if (started === 'yes') expect(retrySafe, code).toBe('never')
      if (started === 'maybe') expect(retrySafe, code).not.toBe('always')
    }
  })
})

describe('an error', () => {
  it('says by its code whether the command was carried out and may be sent again', () => {
    expect(new ZmqRpcError('TIMED_OUT', '')).toMatchObject({ started: 'maybe', retrySafe: 'repeatable' })
    expect(new ZmqRpcError('NOT_CONNECTED', '')).toMatchObject({ started: 'no', retrySafe: 'always' })
  })

  it('may know more than its code: what was surely not started may be sent again', () => {
    expect(new ZmqRpcError('TIMED_OUT', '', { started: 'no' })).toMatchObject({ started: 'no', retrySafe: 'always' })
    expect(new ZmqRpcError('ABORTED', '', { started: 'no' })).toMatchObject({ started: 'no', retrySafe: 'never' })
  })
})

describe('a RemoteError', () => {
  it('has the code of its status, and what the far end told', () => {
    const cause = new Error('no toner')
    const error = new RemoteError(463, 'tray 2 is empty', {
      endpoint: 'tcp://a:1',
      command: 'Print',
      name: 'OutOfPaper',
      code: 'E_TRAY',
      details: { tray: 2 },
      stack: 'OutOfPaper: …',
      cause,
    })
    expect(error).toMatchObject({
      code: 'SERVICE_FAILED',
      status: 463,
      statusText: 'tray 2 is empty',
      message: '[SERVICE_FAILED] tray 2 is empty (status 463, from tcp://a:1)',
      remoteName: 'OutOfPaper',
      remoteCode: 'E_TRAY',
      details: { tray: 2 },
      remoteStack: 'OutOfPaper: …',
      started: 'yes',
      retrySafe: 'never',
    })
    expect(error.cause).toBe(cause)
    expect(error).toBeInstanceOf(ZmqRpcError)
  })

  it('is written as JSON with its text and that of its cause, without stacks and details', () => {
    const cause = new Error('no toner')
    const about = { endpoint: 'tcp://a:1', command: 'Print', name: 'OutOfPaper', details: { tray: 'content' }, stack: 'at …', cause }
    expect(JSON.parse(JSON.stringify({ error: new RemoteError(463, 'tray 2 is empty', about) }))).toEqual({
      error: {
        name: 'RemoteError',
        code: 'SERVICE_FAILED',
        message: '[SERVICE_FAILED] tray 2 is empty (status 463, from tcp://a:1)',
        endpoint: 'tcp://a:1',
        command: 'Print',
        started: 'yes',
        cause: 'no toner',
        status: 463,
        remoteName: 'OutOfPaper',
      },
    })
    const receipt = { id: '1', command: 'Print' }
    const cut = new ZmqRpcError('CONNECTION_LOST', 'gone', { receipt, cause: 'no error' })
    expect(JSON.parse(JSON.stringify(cut))).toEqual({
      name: 'ZmqRpcError',
      code: 'CONNECTION_LOST',
      message: '[CONNECTION_LOST] gone',
      started: 'maybe',
      receipt,
    })
  })

  it('shows nothing of what the far end did not tell', () => {
    const error = new RemoteError(403, 'not yours')
    expect(error).toMatchObject({ code: 'NOT_ALLOWED', retrySafe: 'never' })
    expect(Object.keys(error)).not.toContain('remoteName')
    expect(error.remoteName).toBeUndefined()
  })

  it('with a status that is not known is REMOTE_ERROR', () => {
    expect(new RemoteError(299, 'odd')).toMatchObject({ code: 'REMOTE_ERROR', started: 'maybe', retrySafe: 'never' })
  })
})

describe('what a pyzmqrpc3 peer is told', () => {
  it('are its own statuses as they are, and 463 for those that it does not know', () => {
    expect([200, 400, 451, 463, 482].map(pythonStatusOf)).toEqual([200, 400, 451, 463, 482])
    expect([403, 408, 409, 429, 499, 500, 503].map(pythonStatusOf)).toEqual([463, 463, 463, 463, 463, 463, 463])
  })
})
