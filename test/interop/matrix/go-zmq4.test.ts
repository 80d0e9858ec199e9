/** go-zeromq/zmq4: ZeroMQ in Go. */

import { matrix } from './matrix.ts'

const LAST_EMPTY = 'its REP takes the last empty frame for the end of the envelope, not the first'

matrix({
  name: 'go-zmq4',
  mechanisms: ['PLAIN'],
  notConnected: 'no connections available',
  muteXPublisher: 'it keeps subscriptions to itself',
  sendsToAll: 'it writes to all connections, whatever the socket, if it is no REQ, REP or ROUTER',
  trustsEveryone: 'its PLAIN server does not look at the password (a FIXME in its source)',
  serverMustBind: 'it is the server of PLAIN where it listens, and the client where it dials',
  noHeartbeats: { why: 'it gives PING to the application as a message, and sends no PONG', told: '\x04PING\0\0' },
  losesServers: { why: 'it has no queues: it writes to the connections that there are', told: 'EOF' },
  faults: [
    {
      why: LAST_EMPTY,
      type: 'Reply',
      outcomes: { 'one empty frame': '0+0 bytes', 'empty frames around and between': '0+1+0+0+1+0+1+0 bytes' },
    },
  ],
})
