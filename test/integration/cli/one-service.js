/** A module of services that is one expression: it returns what `register` returns. */

import { threadId } from 'node:worker_threads'
import { Command } from 'zmq-rpc'

export class WhichThread extends Command {}

/** @type {import('zmq-rpc').RegisterServices} */
// biome-ignore lint/style/noDefaultExport: that is what `serve` loads
export default (services) => services.register(WhichThread, () => threadId)
