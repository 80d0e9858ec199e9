/** `zmq-rpc ls`: what a server serves, with schemas. */

import { ERROR_CODES, ListServices, RemoteError, type RpcClient, type ServerDescription, type ServiceDescription } from '../../index.ts'
import { defineCommand } from '../command-line.ts'
import { ASK_MS, CLIENT_OPTIONS, timeoutOption, withClient } from '../connection.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printable } from '../json.ts'
import { schemaText } from '../schema-text.ts'
import type { Session } from '../session.ts'
import { readEndpoint, showMs } from '../values.ts'

export const ls = defineCommand({
  summary: 'show what a server serves',
  usage: 'ENDPOINT [COMMAND...]',
  positionals: [1, 1000],
  options: { ...CLIENT_OPTIONS, timeout: timeoutOption('5s') },
  details: [
    'Shows the commands that you may call, the fields of each and what it answers; of those that are named, the whole schema with --json.',
    'A server of pyzmqrpc3 cannot tell what it serves.',
  ],
  examples: [
    ['zmq-rpc ls localhost:30000', 'everything'],
    [`zmq-rpc ls localhost:30000 --json | jq -r '.services[].name'`, 'the names alone'],
  ],
  run({ options, positionals: [endpoint = '', ...names] }, session) {
    const list = async (client: RpcClient): Promise<ExitCode> => {
      const description = await ask(client, names, session.signal)
      const unknown = names.filter((name) => !description.services.some((service) => service.name === name))
      if (session.json) await session.data(description)
      else await show(description, names.length > 0, session)
      if (unknown.length === 0) return EXIT.done
      session.note(`${session.paintNote.red('error:')} not served, or not to you: ${unknown.map(printable).join(', ')}`)
      return EXIT.remoteError
    }
    return withClient(readEndpoint(endpoint), options, session, list, { timeoutMs: ASK_MS })
  },
})

async function ask(client: RpcClient, names: readonly string[], signal: AbortSignal): Promise<ServerDescription> {
  try {
    return await client.execute(new ListServices(...names), { signal })
  } catch (error) {
    const [server] = client.stats().servers
    if (!(error instanceof RemoteError) || server?.dialect !== 'pyzmqrpc3' || error.status === 403) throw error
    const text = `${server.endpoint} speaks the dialect of pyzmqrpc3 only, in which a server cannot tell what it serves: its commands have to be known`
    throw new RemoteError(ERROR_CODES.NO_SERVICE.status, text, {
      endpoint: server.endpoint,
      command: ListServices.commandName,
      cause: error,
    })
  }
}

async function show({ version, services }: ServerDescription, chosen: boolean, session: Session): Promise<void> {
  const { dim } = session.paint
  for (const service of services) await showService(service, session)
  if (chosen) return
  if (services.length === 0) await session.line('Nothing that you may call is served here.')
  else await session.line(dim(`${services.length} ${services.length === 1 ? 'command' : 'commands'}; zmq-rpc ${printable(version)}`))
}

async function showService(service: ServiceDescription, session: Session): Promise<void> {
  const { bold, dim, yellow } = session.paint
  const { name, state, result, description, deprecated, idempotent, timeoutMs, maxConcurrent, version } = service
  const fields = schemaText(state)
  await session.line(
    `${bold(printable(name))}${fields === '{}' ? '' : ` ${fields}`}${result === undefined ? '' : ` → ${schemaText(result)}`}`,
  )
  if (description !== undefined) await session.line(`    ${printable(description)}`)
  const traits = [
    ...(idempotent ? ['may be carried out twice'] : []),
    ...(timeoutMs === undefined ? [] : [`takes up to ${showMs(timeoutMs)}`]),
    ...(maxConcurrent === undefined ? [] : [`${maxConcurrent} at a time`]),
    ...(version === undefined ? [] : [`version ${printable(version)}`]),
  ]
  if (traits.length > 0) await session.line(dim(`    ${traits.join('; ')}`))
  if (deprecated !== undefined)
    await session.line(yellow(`    deprecated${deprecated === true ? '' : `: ${printable(String(deprecated))}`}`))
}
