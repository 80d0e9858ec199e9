/** `zmq-rpc queue`: what a buffer keeps on disk, and what becomes of what it gave up. */

import { type BufferedCommand, BufferFolder } from '../../index.ts'
import { defineCommand, quoted } from '../command-line.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printable, writeJson } from '../json.ts'
import type { Session } from '../session.ts'
import { UsageError } from '../usage-error.ts'
import { readCount, showAge } from '../values.ts'

const ACTIONS = ['ls', 'peek', 'retry', 'drop'] as const
type Action = (typeof ACTIONS)[number]

export const queue = defineCommand({
  summary: 'show what a buffer keeps on disk; retry or drop what it gave up',
  usage: 'ls|peek|retry|drop DIR [SEQ...]',
  positionals: [2, 10_000],
  options: {
    dead: { type: 'boolean', text: 'ls: those that were given up, with the reason' },
    all: { type: 'boolean', text: 'retry, drop: all that were given up' },
    count: { type: 'string', short: 'c', value: 'N', text: 'ls: so many at most (20); 0: all' },
  },
  details: [
    'DIR is the folder of a buffer: --buffer of zmq-rpc proxy, buffer.path of RpcProxy. ls and peek only look, also while the program runs that has it. retry and drop need it stopped.',
    'ls shows what waits, in order; peek one command whole; retry has those that were given up delivered once more, behind all that wait; drop forgets them. A command is named by the number in front of it.',
  ],
  examples: [
    ['zmq-rpc queue ls /var/lib/zmq-rpc', 'what waits, the oldest first'],
    ['zmq-rpc queue ls /var/lib/zmq-rpc --dead', 'what was given up, and why'],
    ['zmq-rpc queue retry /var/lib/zmq-rpc 17 18', 'delivers two of those once more'],
  ],
  async run({ options, positionals: [action = '', path = '', ...given] }, session) {
    if (!isAction(action)) throw new UsageError(`${quoted(action)} is none of ${ACTIONS.join(', ')}`)
    const seqs = given.map((seq) => readCount('SEQ', seq) as number)
    // Closed at the end of this block: so what is made of it is awaited here.
    await using folder = await BufferFolder.open(path)
    switch (action) {
      case 'ls': {
        const most = readCount('count', options.count, 0) ?? 20
        return await list(folder, options.dead === true, most === 0 ? Number.POSITIVE_INFINITY : most, session)
      }
      case 'peek':
        if (seqs.length !== 1) throw new UsageError('peek shows one: give it its number')
        return await peek(folder, seqs[0] as number, session)
      default:
        return await change(folder, action, options.all ? undefined : seqs, session)
    }
  },
})

function isAction(text: string): text is Action {
  return (ACTIONS as readonly string[]).includes(text)
}

async function list(folder: BufferFolder, dead: boolean, most: number, session: Session): Promise<ExitCode> {
  const { live, dead: deadCount, bytes } = folder.counts
  let shown = 0
  for await (const kept of dead ? folder.deadLetters() : folder.waiting()) {
    if (shown++ >= most) break
    await (session.json ? session.data(asData(kept)) : session.line(asLine(kept, session)))
  }
  if (session.json) return EXIT.done
  const rest = (dead ? deadCount : live) - Math.min(shown, most)
  const more = rest > 0 && shown > most ? `; ${rest} more, --count 0 shows all` : ''
  session.note(session.paintNote.dim(`${live} waiting, ${deadCount} given up, ${sizeOf(bytes)} on disk${more}`))
  return EXIT.done
}

async function peek(folder: BufferFolder, seq: number, session: Session): Promise<ExitCode> {
  const kept = (await find(folder.waiting(), seq)) ?? (await find(folder.deadLetters(), seq))
  if (kept === undefined) throw new Error(`there is no ${seq} in ${folder.path}`)
  await session.data(asData(kept), { indent: session.interactive && !session.json ? 2 : 0 })
  return EXIT.done
}

async function find(kept: AsyncIterable<BufferedCommand>, seq: number): Promise<BufferedCommand | undefined> {
  for await (const one of kept) if (one.seq === seq) return one
  return undefined
}

/** `chosen`: undefined for all. */
async function change(
  folder: BufferFolder,
  action: 'retry' | 'drop',
  chosen: readonly number[] | undefined,
  session: Session,
): Promise<ExitCode> {
  if (chosen?.length === 0) throw new UsageError(`which? Give their numbers, or --all: zmq-rpc queue ls ${folder.path} --dead shows them`)
  const there: number[] = []
  for await (const { seq } of folder.deadLetters()) if (chosen === undefined || chosen.includes(seq)) there.push(seq)
  if (action === 'retry') await folder.requeue(there)
  else await folder.drop(there)
  const missing = chosen?.filter((seq) => !there.includes(seq)) ?? []
  if (session.json) await session.data({ [action === 'retry' ? 'requeued' : 'dropped']: there, missing })
  else
    await session.line(
      action === 'retry'
        ? `${there.length} ${there.length === 1 ? 'waits' : 'wait'} again, behind all others`
        : `${there.length} forgotten`,
    )
  if (!session.json) await tellOthers(folder, action, missing, there.length === 0, session)
  return missing.length === 0 ? EXIT.done : EXIT.failed
}

/** Of what was not given up: whether it waits. */
async function tellOthers(
  folder: BufferFolder,
  action: 'retry' | 'drop',
  missing: readonly number[],
  nothingDone: boolean,
  session: Session,
): Promise<void> {
  const waiting: number[] = []
  if (missing.length > 0) for await (const { seq } of folder.waiting()) if (missing.includes(seq)) waiting.push(seq)
  const unknown = missing.filter((seq) => !waiting.includes(seq))
  const error = session.paintNote.red('error:')
  if (unknown.length > 0) session.note(`${error} not among those that were given up: ${unknown.join(', ')}`)
  if (waiting.length > 0) session.note(`${error} not given up, but waiting: ${waiting.join(', ')}`)
  const { live } = folder.counts
  if (waiting.length === 0 && (missing.length > 0 || !nothingDone || live === 0)) return
  const text =
    action === 'retry'
      ? 'what waits is delivered as soon as that is possible'
      : 'what waits cannot be taken back: whoever sent it was promised that it is carried out. It is given up when its time (ttl) is over'
  session.note(
    session.paintNote.dim(waiting.length > 0 ? `  ${text}` : `nothing was given up; ${live} ${live === 1 ? 'waits' : 'wait'}: ${text}`),
  )
}

function asData({ message, ageMs, ...kept }: BufferedCommand): object {
  const frames = message.kind === 'unreadable' ? { frames: message.frames.map((frame) => frame.toString('base64')) } : {}
  const { name: command, ...rest } = { name: undefined, ...message, ...frames }
  return { ...kept, ageMs: Math.round(ageMs), command, ...rest }
}

function asLine({ seq, message, user, ageMs, reason }: BufferedCommand, session: Session): string {
  const { bold, dim, yellow } = session.paint
  const from = user === undefined ? '' : ` of ${printable(user)}`
  const head = `${String(seq).padStart(6)}  ${what()}  ${dim(`(${showAge(ageMs)} old${from})`)}`
  return reason === undefined ? head : `${head}\n        ${yellow(printable(reason))}`

  function what(): string {
    if (message.kind === 'text') return `${dim('text')} ${short(writeJson(message.text))}`
    if (message.kind === 'unreadable') return yellow('unreadable')
    return `${bold(printable(message.name))} ${short(writeJson(message.state))}`
  }
}

function short(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}

function sizeOf(bytes: number): string {
  if (bytes < 10_000) return `${bytes} bytes`
  return bytes < 10_000_000 ? `${Math.round(bytes / 1000)} kB` : `${Math.round(bytes / 1_000_000)} MB`
}
