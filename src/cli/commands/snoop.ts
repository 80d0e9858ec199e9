/** `zmq-rpc snoop`: shows what publishers say. */

import { type EventLog, logEvents, type Overheard, Snoop } from '../../index.ts'
import { defineCommand } from '../command-line.ts'
import { CREDENTIAL_OPTIONS, credentialsOf } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { printable, writeJson } from '../json.ts'
import type { Session } from '../session.ts'
import { untilStopped } from '../until-stopped.ts'
import { readCount, readDuration, readEndpoint } from '../values.ts'

export const snoop = defineCommand({
  summary: 'show what publishers say',
  usage: 'ENDPOINT...',
  positionals: [1, 1000],
  options: {
    command: { type: 'string', multiple: true, value: 'NAME', text: 'only this command; may be given several times' },
    heartbeats: { type: 'boolean', text: 'show heartbeats, too' },
    count: { type: 'string', short: 'c', value: 'N', text: 'end after so many' },
    silence: { type: 'string', value: 'TIME', text: 'make a connection again on which nothing was heard for so long (10m); 0: never' },
    ...CREDENTIAL_OPTIONS,
  },
  details: [
    'Connects to publishers of zmq-rpc and of pyzmqrpc3, and shows what they publish from then on, each message on a line. When one is restarted, it is connected again by itself. Nothing is carried out, and servers that listen as well notice nothing.',
    'What servers are called with is not published, and so not heard here.',
  ],
  examples: [
    ['zmq-rpc snoop lab-1:30001 lab-2:30001', 'two publishers'],
    [`zmq-rpc snoop lab-1:30001 --command Measured --json | jq .state.celsius`, 'one field of one command'],
    ['zmq-rpc snoop lab-1:30001 --heartbeats', 'is it still there?'],
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
    await using listener = new Snoop({ sub: endpoints, credentials: credentialsOf(options, session), heartbeatTimeoutMs }, hear)
    await listener.start()
    session.note(session.paintNote.dim(`listening to ${endpoints.join(', ')}; Ctrl-C ends it`))
    await untilStopped(session.signal, finished)
    return EXIT.done
  },
})

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
  const told = new Map<string, string>()
  const say = (fields: object): void => {
    const { event, endpoint = '', error } = fields as { event: string; endpoint?: string; error?: { text: string } }
    const text = WORDS[event]?.(endpoint, error?.text)
    if (text === undefined || told.get(endpoint) === text) return
    told.set(endpoint, text)
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
  'zmq-rpc:disconnected': (endpoint, why) => `lost ${endpoint}${why === undefined ? '' : ` (${printable(why)})`}; connecting again`,
  'zmq-rpc:connect:failed': (endpoint, why) =>
    why === undefined ? undefined : `${endpoint} cannot be reached: ${printable(why)}; trying on`,
  'zmq-rpc:handshake:failed': (endpoint, why) => `${endpoint} does not fit: ${printable(why ?? 'no reason given')}; trying on`,
  'zmq-rpc:sub:silent': (endpoint) => `${endpoint} is silent; connecting again`,
}
