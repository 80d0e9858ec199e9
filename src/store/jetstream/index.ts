/**
 * The store of a buffer in NATS JetStream. Needs `@nats-io/transport-node` and `@nats-io/jetstream` beside this package, and nats-server
 * 2.12 or later.
 *
 * @packageDocumentation
 */

export { JetStreamStore } from './jetstream-store.ts'
export type { JetStreamStoreOptions } from './options.ts'
