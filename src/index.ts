/**
 * RPC over ZeroMQ, wire-compatible with pyzmqrpc3: commands go from clients to servers, and each kind of command has one
 * service that carries it out. The sockets below are in `zmq-rpc/sockets`.
 *
 * @packageDocumentation
 */

export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  RemoteError,
  type RemoteErrorDetails,
  type RetrySafe,
  SocketError,
  type SocketErrorCode,
  type Started,
  StoreError,
  type StoreErrorDetails,
  ZmqRpcError,
} from './errors.ts'
export type { RpcEvents } from './observability/events.ts'
export {
  type EventLog,
  type LogEventsOptions,
  type Logger,
  type LogLevel,
  logEvents,
  type RpcEventName,
} from './observability/logger.ts'
export { type ProxyStats, RpcProxy, type RpcProxyOptions } from './proxy/rpc-proxy.ts'
export type { Receipt } from './receipt.ts'
export type {
  Auth,
  Credentials,
  CurveAuth,
  CurveCredentials,
  KeyEntry,
  PasswordCredentials,
  Principal,
  UserEntry,
} from './rpc/auth.ts'
export { type BufferedCommand, BufferFolder } from './rpc/buffer/buffer-folder.ts'
export type {
  BufferOptions,
  CommandDrain,
  DeadLetterOptions,
  DrainOptions,
  DrainOrder,
  OutcomeOptions,
} from './rpc/buffer/buffer-options.ts'
export type { BufferStats, DeadLetter } from './rpc/buffer/command-buffer.ts'
export type { EndState } from './rpc/buffer/outcomes.ts'
export type { HedgeOptions, RetryOptions } from './rpc/client/attempts.ts'
export type { BalancePolicy } from './rpc/client/balancer.ts'
export { type Answer, RpcClient, type RpcClientOptions } from './rpc/client/client.ts'
export type { CallOptions, ClientOptions, ReadyOptions, ReceiptOptions, SubmitOptions } from './rpc/client/client-options.ts'
export type { ContractMismatch } from './rpc/client/contract-watch.ts'
export type { RetryBudgetOptions } from './rpc/client/retry-budget.ts'
export { Sender } from './rpc/client/sender.ts'
export {
  type AnswerOf,
  Command,
  type CommandClass,
  type CommandTraits,
  OpaqueCommand,
  type ResultOf,
  ShutdownServer,
} from './rpc/command/command.ts'
export {
  type CommandDefinition,
  type Contract,
  command,
  contractOf,
  type SchemaCommand,
  type SchemaCommandClass,
} from './rpc/command/contract.ts'
export type { JsonSchema } from './rpc/command/json-schema.ts'
export { fieldsOf, type InputOf, type OutputOf, type Schema, streamOf } from './rpc/command/schema.ts'
export type { Dialect } from './rpc/dialect/announcement.ts'
export type { AnyMessage } from './rpc/dialect/any-message.ts'
export type { RpcDropReason } from './rpc/drops.ts'
export type { Endpoint } from './rpc/endpoint.ts'
export { ServiceError, type ServiceErrorClass, type ServiceErrorOptions } from './rpc/error/service-error.ts'
export type { ClientInterceptor, IncomingCall, OutgoingCall, ServerInterceptor } from './rpc/interceptor.ts'
export type { Allow, AllowRequest } from './rpc/server/allow.ts'
export type { IdempotencyOptions } from './rpc/server/idempotency-options.ts'
export { Health, type HealthReport, ListServices, type ServerDescription, type ServiceDescription } from './rpc/server/introspection.ts'
export type { MessageServerOptions, StopOptions, SubEndpoint } from './rpc/server/message-server.ts'
export { type ReceiptHop, type ReceiptReport, ReceiptResult, type ReceiptState, TrackReceipt } from './rpc/server/receipts.ts'
export { Receiver } from './rpc/server/receiver.ts'
export type { ServiceOptions } from './rpc/server/registration.ts'
export { RpcServer, type RpcServerOptions } from './rpc/server/server.ts'
export type { Metadata, PeerInfo, Service, ServiceContext, ServiceFunction } from './rpc/server/service.ts'
export { type Overheard, Snoop, type SnoopOptions } from './rpc/server/snoop.ts'
export type { ClientStats, FailureCounts, RpcDropCounts, ServerLinkStats, ServerStats } from './rpc/stats.ts'
export type { StoreSource } from './rpc/store-source.ts'
export type { Stoppable, ThreadResult } from './rpc/threads/closing.ts'
export { giveAway } from './rpc/threads/port-frames.ts'
export { type RunningThread, type StopThreadOptions, startThread } from './rpc/threads/start-thread.ts'
export type { ThreadOptions } from './rpc/threads/thread.ts'
export type { RegisterServices, ServiceRegistrar, ServicesContext, ServicesModuleOptions } from './rpc/threads/thread-server.ts'
export type { ThreadsOptions } from './rpc/threads/threads-options.ts'
export { type CurveKeyPair, curveKeyPair, curvePublicKey } from './socket/curve-key-pair.ts'
export type { AuthOrigin } from './socket/options.ts'
export type {
  BufferStore,
  DeadEntry,
  Durability,
  ReadLimit,
  StoreCounts,
  StoreEntry,
  StoreOpening,
  StoreRecord,
} from './store/buffer-store.ts'
