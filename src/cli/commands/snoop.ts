/** `zmq-rpc snoop`: shows what publishers say. */

import { type EventLog, logEvents, type Overheard, Snoop, type SnoopOptions } from '../../index.ts'
import { defineCommand, type OptionTable, type OptionValues } from '../command-line.ts'
import { AUTH_OPTIONS, authOf, CREDENTIAL_OPTIONS, credentialsOf } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { wordsOf } from '../failure.ts'
import { printable, writeJson } from '../json.ts'
import type { Session } from '../session.ts'
import { untilStopped } from '../until-stopped.ts'
import { UsageError } from '../usage-error.ts'
import { readCount, readDuration, readEndpoint } from '../values.ts'

/** Who shows who it is: we, or with `ask` the publisher. */
const SECURITY_OPTIONS = {
  ...CREDENTIAL_OPTIONS,
  ask: { type: 'boolean', text: 'ask the publishers for this name and password, or with --key for keys, instead of showing them' },
  allow: AUTH_OPTIONS.allow,
} as const satisfies OptionTable

export const snoop = defineCommand({
  summary: 'show what publishers say',
  usage: 'ENDPOINT...',
  positionals: [1, 1000],
  options: {
    command: { type: 'string', multiple: true, value: 'NAME', text: 'only this command; may be given several times' },
    heartbeats: { type: 'boolean', text: 'show heartbeats, too' },
    count: { type: 'string', short: 'c', value: 'N', text: 'end after so many' },
    silence: { type: 'string', value: 'TIME', text: 'make a connection again on which nothing was heard for so long (10m); 0: never' },
    ...SECURITY_OPTIONS,
  },
  details: [
    'Connects to publishers of zmq-rpc and of pyzmqrpc3, and shows what they publish from then on, each message on a line. When one is restarted, it is connected again by itself. Nothing is carried out, and servers that listen as well notice nothing.',
    'Of two sides, one shows a password or a key, and the other one asks for it. A publisher that has credentials shows them, as zmq-rpc publish does: so --ask is needed there. One that asks itself (auth) is shown them without.',
    'What servers are called with is not published, and so not heard here.',
  ],
  examples: [
    ['zmq-rpc snoop lab-1:30001 lab-2:30001', 'two publishers'],
    [`zmq-rpc snoop lab-1:30001 --command Measured --json | jq .state.celsius`, 'one field of one command'],
    ['zmq-rpc snoop lab-1:30001 --heartbeats', 'is it still there?'],
    ['zmq-rpc snoop lab-1:30001 --ask -u pi --password-file pi.password', 'a publisher that shows this password'],
  ],
  // As zmqsnoop.py of pyzmqrpc3 has it.
  prepare: (args) => args.filter((arg) => arg !== '--sub'),
  async run({ options, positionals }, session) {
    const endpoints = positionals.map(readEndpoint)
    const count = readCount('count', options.count) ?? Number.POSITIVE_INFINITY
    let shown = 0
    let finish = (): void => {}
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    const hear = (heard: Overheard): Promise<void> | undefined => {
      if (heard.kind === 'heartbeat' && !options.heartbeats) return undefined
      if (options.command !== undefined && !(heard.kind === 'command' && options.command.includes(heard.name))) return undefined
      if (++shown > count) return undefined
      if (shown >= count) finish()
      return show(heard, endpoints.length > 1, session)
    }
    using _notes = tellConnections(session)
    const heartbeatTimeoutMs = readDuration('silence', options.silence)
    await using listener = new Snoop({ sub: endpoints, ...securityOf(options, session), heartbeatTimeoutMs }, hear)
    await listener.start()
    session.note(session.paintNote.dim(`listening to ${endpoints.join(', ')}; Ctrl-C ends it`))
    await untilStopped(session.signal, finished)
    return EXIT.done
  },
})

/** @throws UsageError */
function securityOf(options: OptionValues<typeof SECURITY_OPTIONS>, session: Session): Pick<SnoopOptions, 'auth' | 'credentials'> {
  if (!options.ask) {
    if (options.allow !== undefined) throw new UsageError('--allow is for those who are asked: it needs --ask')
    return { credentials: credentialsOf(options, session) }
  }
  if (options['server-key'] !== undefined)
    throw new UsageError('--ask and --server-key do not go together: who asks has --key, and --allow')
  const auth = authOf(options, session)
  if (auth === undefined) throw new UsageError('--ask for what? --username and --password-file, or --key')
  return { auth }
}

function show(heard: Overheard, several: boolean, session: Session): Promise<void> | undefined {
  const time = new Date()
  const { kind } = heard
  const { endpoint, remoteAddress } = heard.peer
  if (session.json) {
    const frames = kind === 'unreadable' ? heard.frames.map((frame) => frame.toString('base64')) : undefined
    const { name: command, kind: _kind, peer: _peer, ...rest } = { name: undefined, ...heard, frames }
    return session.data({ time, endpoint, from: remoteAddress, kind, command, ...rest })
  }
  const { bold, dim, yellow } = session.paint
  const where = `${dim(time.toISOString().slice(11, 23))} ${several ? `${dim(endpoint)} ` : ''}`
  switch (kind) {
    case 'command':
      return session.line(`${where}${bold(printable(heard.name))} ${writeJson(heard.state)}`)
    case 'text':
      return session.line(`${where}${dim('text')} ${writeJson(heard.text)}`)
    case 'heartbeat':
      return session.line(`${where}${dim('heartbeat')}`)
    case 'unreadable':
      return session.line(
        `${where}${yellow('unreadable')} (${printable(heard.reason)}) ${heard.frames.map((frame) => `${frame.length} bytes`).join(', ')}`,
      )
  }
}

/** On stderr: who is there, who is gone, and why somebody cannot be reached; each reason once. */
function tellConnections(session: Session): EventLog {
  const told = new Map<string, string | undefined>()
  const say = (fields: object): void => {
    const { event, endpoint = '', error } = fields as { event: string; endpoint?: string; error?: { text: string } }
    const why = error === undefined ? undefined : wordsOf(error.text)
    const text = WORDS[event]?.(endpoint, why)
    // A handshake that fails is a connection that fails, too, for the same reason.
    const reason = why ?? text
    if (text === undefined || told.get(endpoint) === reason) return
    told.set(endpoint, reason)
    session.note(session.paintNote.dim(text))
  }
  return logEvents(
    { debug: say, info: say, warn: say, error: say },
    {
      events: ['zmq-rpc:connected', 'zmq-rpc:disconnected', 'zmq-rpc:connect:failed', 'zmq-rpc:handshake:failed', 'zmq-rpc:sub:silent'],
    },
  )
}

const WORDS: Readonly<Record<string, (endpoint: string, why: string | undefined) => string | undefined>> = {
  'zmq-rpc:connected': (endpoint) => `connected to ${endpoint}`,
  'zmq-rpc:disconnected': (endpoint, why) => `lost ${endpoint}${why === undefined ? '' : ` (${why})`}; connecting again`,
  'zmq-rpc:connect:failed': (endpoint, why) => (why === undefined ? undefined : `${endpoint} cannot be reached: ${why}; trying on`),
  'zmq-rpc:handshake:failed': (endpoint, why = 'no reason given') =>
    `${endpoint} does not fit: ${why}${why.includes('HELLO where WELCOME') ? ' (--ask does)' : ''}; trying on`,
  'zmq-rpc:sub:silent': (endpoint) => `${endpoint} is silent; connecting again`,
}
