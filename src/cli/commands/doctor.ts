/** `zmq-rpc doctor`: why does it not answer? */

import { defineCommand } from '../command-line.ts'
import { ASK_MS, CREDENTIAL_OPTIONS, credentialsOf } from '../connection.ts'
import { diagnose, type Step } from '../diagnosis.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import { readDuration, readEndpoint, showMs } from '../values.ts'

export const doctor = defineCommand({
  summary: 'find out why a server does not answer',
  usage: 'ENDPOINT [COMMAND]',
  positionals: [1, 2],
  options: {
    timeout: { type: 'string', short: 't', value: 'TIME', text: 'for each step (5s)' },
    ...CREDENTIAL_OPTIONS,
  },
  details: [
    'Goes the way of a call step by step: name, connection, protocol, admission, answer, and with COMMAND whether that is served. The first step that fails is explained. Nothing is carried out.',
  ],
  examples: [
    ['zmq-rpc doctor lab-1:30000', 'everything up to an answer'],
    ['zmq-rpc doctor lab-1:30000 Greet -u pi --password-file ~/.lab', 'as this user, and whether Greet is served'],
  ],
  async run({ options, positionals: [given = '', command] }, session) {
    const endpoint = readEndpoint(given)
    const timeoutMs = readDuration('timeout', options.timeout) ?? ASK_MS
    const credentials = credentialsOf(options, session)
    const steps: Step[] = []
    for await (const step of diagnose({ endpoint, credentials, command, timeoutMs, signal: session.signal })) {
      if (session.signal.aborted) return session.signal.reason as ExitCode
      steps.push(step)
      if (!session.json) await show(step, session)
    }
    const failed = steps.find(({ ok }) => ok === false)
    if (session.json) await session.data({ endpoint, ok: failed === undefined, steps: steps.map(({ exitCode: _, ...step }) => step) })
    else if (failed === undefined) await session.line(`${session.paint.green('All is well')}, as far as can be seen from here.`)
    return failed?.exitCode ?? EXIT.done
  },
})

async function show({ step, ok, text, ms, advice }: Step, session: Session): Promise<void> {
  const { paint } = session
  const mark = ok === undefined ? paint.yellow('?') : ok ? paint.green('✓') : paint.red('✗')
  await session.line(`${mark} ${step.padEnd(10)}  ${text}  ${paint.dim(`(${showMs(ms)})`)}`)
  if (advice) await session.line(`  ${' '.repeat(10)}  ${paint.bold(advice)}`)
}
