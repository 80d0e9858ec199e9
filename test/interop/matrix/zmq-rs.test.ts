/** zmq.rs: ZeroMQ in Rust. */

import { matrix } from './matrix.ts'

matrix({
  name: 'zmq-rs',
  lacks: ['Pair'],
  notConnected: 'Not connected to peers',
  textTopics: 'its SUB takes a topic as text',
  noHeartbeats: { why: 'it knows no command but READY', told: 'receive failed: Codec Error: Unknown command received' },
  connectsOnce: { why: 'only SUB and XSUB have what it takes to connect again', but: ['Subscriber', 'XSubscriber'] },
})
