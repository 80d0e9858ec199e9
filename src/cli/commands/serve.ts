/** `zmq-rpc serve`: runs a server whose services a module registers. */

import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import {
  type Command,
  type CommandClass,
  type Endpoint,
  RpcServer,
  type RpcServerOptions,
  type Service,
  type ServiceFunction,
  type ServiceOptions,
  type ServicesModuleOptions,
} from '../../index.ts'
import { kindOf } from '../../options.ts'
import { whyNotLoaded } from '../broken-module.ts'
import { defineCommand } from '../command-line.ts'
import { AUTH_OPTIONS, authOf } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { startLog, VERBOSE_OPTION } from '../log.ts'
import type { Session } from '../session.ts'
import { untilStopped } from '../until-stopped.ts'
import { UsageError } from '../usage-error.ts'
import { readCount, readDuration, readEndpoint, readOwnEndpoint } from '../values.ts'

/** Heard on this machine only. */
const DEFAULT_ENDPOINT = 'tcp://127.0.0.1:30000'

export const serve = defineCommand({
  summary: 'run a server, whose services a module registers',
  usage: 'MODULE',
  positionals: [1, 1],
  options: {
    rep: {
      type: 'string',
      multiple: true,
      value: 'ENDPOINT',
      text: `where clients connect to (${DEFAULT_ENDPOINT}); may be given several times`,
    },
    sub: { type: 'string', multiple: true, value: 'ENDPOINT', text: 'a publisher to listen to; may be given several times' },
    threads: { type: 'string', value: 'N', text: 'run the services in so many threads: for those that compute' },
    drain: { type: 'string', value: 'TIME', text: 'for calls under way to end when it is stopped (5s)' },
    ...AUTH_OPTIONS,
    ...VERBOSE_OPTION,
  },
  details: [
    'MODULE is a file in JavaScript, or in TypeScript where this Node can read that (22.18 and newer). Its default export is a function that is given the server, and registers the services:',
    [
      "    import { Command } from 'zmq-rpc'",
      "    export class Greet extends Command { name = '' }",
      "    export default (server) => server.register(Greet, ({ name }) => 'Hello ' + name)",
    ].join('\n'),
    'Ctrl-C lets calls under way end, and a second one does not. A client with a password or a key may stop it by the command ShutdownServer.',
  ],
  examples: [
    ['zmq-rpc serve greet.js', `listens on ${DEFAULT_ENDPOINT}, for this machine`],
    ['zmq-rpc serve greet.js --rep :30000 -u pi --password-file pi.password', 'for all machines, with a password'],
    ['zmq-rpc serve primes.js --threads 4', 'services that compute, on four cores'],
    ['zmq-rpc serve greet.js --sub lab-1:30001', 'carries out what lab-1 publishes'],
  ],
  async run({ options, positionals: [module = ''] }, session) {
    const rep = options.rep?.map(readOwnEndpoint)
    const sub = options.sub?.map(readEndpoint)
    const drainMs = readDuration('drain', options.drain)
    using _log = startLog(session, options.verbose)
    const threads = readCount('threads', options.threads)
    const services = threads === undefined ? await load(module, session) : threaded(module, threads)
    const server = new WatchedServer({
      rep: rep ?? (sub === undefined ? DEFAULT_ENDPOINT : undefined),
      sub,
      auth: authOf(options, session),
      ...services.options,
    })
    let opened: unknown
    try {
      opened = await services.register(server)
      await server.start()
      await tell(server.endpoints, sub ?? [], session)
      if (threads === undefined && !server.hasServices)
        session.warn(`${module} has registered nothing: every command is refused. Its default export calls server.register(…)`)
      await untilStopped(session.signal, server.stopped)
    } finally {
      const { running, streams } = server.stats()
      if (server.running && running + streams > 0) session.note('calls under way have time to end; Ctrl-C once more ends them')
      await server.stop({ drainMs })
      await stopAll(opened)
    }
    return EXIT.done
  },
})

/** Knows whether anything was registered. */
class WatchedServer extends RpcServer {
  // Set when the constructor has registered what is built in.
  hasServices = false

  override register<C extends Command>(
    commandClass: CommandClass<C>,
    service: Service<C> | ServiceFunction<C>,
    options?: ServiceOptions,
  ): this {
    this.hasServices = true
    return super.register(commandClass, service, options)
  }
}

/** What a module brings to its server. */
interface Services {
  readonly options: Partial<RpcServerOptions>
  register(server: RpcServer): unknown
}

/** In threads: they load it themselves. */
function threaded(module: string, threads: number): Services {
  if (!existsSync(module)) throw new UsageError(`there is no file ${module}`)
  return { options: { services: pathToFileURL(module), threads }, register: () => undefined }
}

/** Here. It has the form that threads want, so that it may run either way. */
async function load(module: string, session: Session): Promise<Services> {
  const url = pathToFileURL(module).href
  let loaded: { readonly default?: unknown; readonly options?: ServicesModuleOptions }
  try {
    loaded = await import(url)
  } catch (error) {
    throw await whyNotLoaded(module, url, error as NodeJS.ErrnoException, session)
  }
  const { default: register, options = {} } = loaded
  if (typeof register === 'function' && !isClass(register)) {
    return { options, register: (server) => register(server, { data: undefined, index: 0 }) }
  }
  const what = register === undefined ? 'no default export' : `a default export that is ${isClass(register) ? 'a class' : kindOf(register)}`
  throw new UsageError(`${module} has ${what}: it must be a function that registers services, (server) => server.register(…)`)
}

function isClass(value: unknown): boolean {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
}

/** What the module's function returned may be something to stop or to close, or a list of such things. */
async function stopAll(opened: unknown): Promise<void> {
  for (const one of [opened].flat(1)) {
    const { stop, close } = (one ?? {}) as { readonly stop?: unknown; readonly close?: unknown }
    const end = typeof stop === 'function' ? stop : close
    if (typeof end === 'function') await end.call(one)
  }
}

async function tell(endpoints: readonly Endpoint[], sub: readonly Endpoint[], session: Session): Promise<void> {
  if (session.json) return session.data({ endpoints, sub })
  if (endpoints.length > 0) await session.line(`listening on ${endpoints.join(', ')}`)
  if (sub.length > 0) await session.line(`listening to ${sub.join(', ')}`)
}
