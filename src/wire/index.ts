/**
 * ZMTP 3.1 as pure state machines: no sockets, timers, clock or randomness. Where each term of RFC 37 lives:
 *
 * | RFC 37                       | file                         |
 * | ---------------------------- | ---------------------------- |
 * | greeting                     | `greeting.ts`                |
 * | framing                      | `frame.ts` `frame-decoder.ts` `frame-writer.ts` `encoded-message.ts` `numbered.ts` |
 * | commands, PING and PONG, SUBSCRIBE and CANCEL | `command.ts` |
 * | metadata                     | `metadata.ts`                |
 * | Socket-Type                  | `socket-type.ts`             |
 * | NULL, PLAIN, CURVE           | `mechanism/`, keys as text: `z85.ts` |
 * | a connection, start to end   | `connection.ts`, its limits: `limit-exceeded.ts` |
 */

export { bufferOver } from './buffer-over.ts'
export { readSubscriptionMessage, subscriptionMessage } from './command.ts'
export {
  Connection,
  type ConnectionHandler,
  type ConnectionLimits,
  type HeartbeatOptions,
  IncompatiblePeer,
  type PeerInfo,
} from './connection.ts'
export { type EncodedMessage, encodeMessage } from './encoded-message.ts'
export { MAX_SHORT_BODY, type Message, messageBytes } from './frame.ts'
export { MechanismMismatch } from './greeting.ts'
export { LimitExceeded } from './limit-exceeded.ts'
export { KEY_BYTES, type KeyPair, keyPairOf, loadCrypto, toKeyPair } from './mechanism/crypto.ts'
export { CurveClient, type CurveRandom, CurveServer, HelloRefused } from './mechanism/curve.ts'
export { type AuthAnswer, AuthRefused, type AuthRequest, type Mechanism, type MechanismFactory } from './mechanism/mechanism.ts'
export { NullMechanism } from './mechanism/null.ts'
export { MAX_PLAIN_BYTES, PlainClient, PlainServer } from './mechanism/plain.ts'
export { encodeMetadata, type Property, socketProperties } from './metadata.ts'
export { type Body, framesOf, numberOfMessage, SHORT_BODY_ROOM, ShortBody, toNumbered } from './numbered.ts'
export { mayTalk, type SocketType } from './socket-type.ts'
export { decodeZ85, encodeZ85 } from './z85.ts'
