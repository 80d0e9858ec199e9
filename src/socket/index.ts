/**
 * ZeroMQ sockets with the API of the `zeromq` package, version 6, in pure TypeScript: `zmq-rpc/sockets`.
 *
 * @packageDocumentation
 */

export { SocketError, type SocketErrorCode } from '../errors.ts'
export type { AuthAnswer, AuthRequest, Message, SocketType } from '../wire/index.ts'
export { capability, version } from './capability.ts'
export { Context, type ContextOptions, context } from './context.ts'
export { type CurveKeyPair, curveKeyPair, curvePublicKey } from './curve-key-pair.ts'
export { Dealer, type DealerOptions, type ProbeOptions } from './dealer.ts'
export type { MessageLike } from './message-like.ts'
export { type Event, type EventOfType, type EventType, Observer } from './observer.ts'
export type { Authenticate, AuthOrigin, CommonOptions, ConflateOptions, ReceiveOptions, RoutingIdOptions, SendOptions } from './options.ts'
export { Pair } from './pair.ts'
export { Proxy } from './proxy.ts'
export { Publisher } from './publisher.ts'
export { Pull } from './pull.ts'
export { Push } from './push.ts'
export { Reply } from './reply.ts'
export { Request, type RequestOptions } from './request.ts'
export { Router, type RouterConnectOptions, type RouterOptions } from './router.ts'
export { type BatchReadable, type BatchWritable, type Readable, Socket, type SocketOptions, type Writable } from './socket.ts'
export type { DropCounts, FullCounts, RefusalCounts, SocketStats } from './stats.ts'
export { type SubscribeOptions, Subscriber } from './subscriber.ts'
export { type PublishOptions, XPublisher, type XPublishOptions } from './xpublisher.ts'
export { XSubscriber } from './xsubscriber.ts'
