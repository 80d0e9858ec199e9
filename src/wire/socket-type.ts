/** The socket types of RFC 28 and who may talk to whom [RFC 37, Socket Type property]. */

const PEERS = {
  REQ: ['REP', 'ROUTER'],
  REP: ['REQ', 'DEALER'],
  DEALER: ['REP', 'DEALER', 'ROUTER'],
  ROUTER: ['REQ', 'DEALER', 'ROUTER'],
  PUB: ['SUB', 'XSUB'],
  XPUB: ['SUB', 'XSUB'],
  SUB: ['PUB', 'XPUB'],
  XSUB: ['PUB', 'XPUB'],
  PUSH: ['PULL'],
  PULL: ['PUSH'],
  PAIR: ['PAIR'],
} as const

/** The kind of a socket. */
export type SocketType = keyof typeof PEERS

const NAMES = new Map(Object.keys(PEERS).map((name) => [name, name as SocketType]))

/** Undefined for a type that there is not. The text given out is ours: each connection keeps one. */
export function socketTypeNamed(name: string): SocketType | undefined {
  return NAMES.get(name)
}

export function mayTalk(ours: SocketType, theirs: SocketType): boolean {
  return (PEERS[ours] as readonly SocketType[]).includes(theirs)
}

/** Only these tell their routing id, always, empty if they have none: as libzmq does. */
export function sendsRoutingId(type: SocketType): boolean {
  return type === 'REQ' || type === 'DEALER' || type === 'ROUTER'
}

/** Sockets that hear subscriptions. */
export function hearsSubscriptions(type: SocketType): boolean {
  return type === 'PUB' || type === 'XPUB'
}
