/**
 * RPC over ZeroMQ, wire-compatible with pyzmqrpc3: commands go from clients to servers, and each kind of command has one
 * service that carries it out. The sockets below are in `zmq-rpc/sockets`.
 *
 * @packageDocumentation
 */

export {
  ERROR_CODES,
  type ErrorCode,
  RemoteError,
  type RetrySafe,
  SocketError,
  type SocketErrorCode,
  type Started,
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
export { RpcProxy, type RpcProxyOptions } from './proxy/rpc-proxy.ts'
export type { Allow, AllowRequest } from './rpc/allow.ts'
export type { HedgeOptions, RetryOptions } from './rpc/attempts.ts'
export type {
  Auth,
  Credentials,
  CurveAuth,
  CurveCredentials,
  PasswordCredentials,
  Principal,
} from './rpc/auth.ts'
export type { BalancePolicy } from './rpc/balancer.ts'
export { type Answer, RpcClient, type RpcClientOptions } from './rpc/client.ts'
export type { CallOptions, ClientOptions, ReadyOptions } from './rpc/client-options.ts'
export { type AnswerOf, Command, type CommandClass, type CommandTraits, type ResultOf, ShutdownServer } from './rpc/command.ts'
export { type CommandDefinition, type Contract, command, contractOf, type SchemaCommand, type SchemaCommandClass } from './rpc/contract.ts'
export type { ContractMismatch } from './rpc/contract-watch.ts'
export type { RpcDropReason } from './rpc/drops.ts'
export type { Endpoint } from './rpc/endpoint.ts'
export type { ClientInterceptor, IncomingCall, OutgoingCall, ServerInterceptor } from './rpc/interceptor.ts'
export { Health, type HealthReport, ListServices, type ServerDescription, type ServiceDescription } from './rpc/introspection.ts'
export type { JsonSchema } from './rpc/json-schema.ts'
export type { MessageServerOptions, StopOptions, SubEndpoint } from './rpc/message-server.ts'
export { Receiver } from './rpc/receiver.ts'
export type { ServiceOptions } from './rpc/registration.ts'
export type { RetryBudgetOptions } from './rpc/retry-budget.ts'
export { fieldsOf, type InputOf, type OutputOf, type Schema, streamOf } from './rpc/schema.ts'
export { Sender } from './rpc/sender.ts'
export { RpcServer, type RpcServerOptions } from './rpc/server.ts'
export type { Metadata, PeerInfo, Service, ServiceContext, ServiceFunction } from './rpc/service.ts'
export { ServiceError, type ServiceErrorClass, type ServiceErrorOptions } from './rpc/service-error.ts'
export type { ClientStats, FailureCounts, RpcDropCounts, ServerLinkStats, ServerStats } from './rpc/stats.ts'
export { type CurveKeyPair, curveKeyPair, curvePublicKey } from './socket/curve-key-pair.ts'
export type { AuthOrigin } from './socket/options.ts'
