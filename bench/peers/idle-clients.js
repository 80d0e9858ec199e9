/** Many connections that say nothing after their handshake (a DEALER's bytes, sent by hand: the same for every server). */

import { once } from 'node:events'
import { connect } from 'node:net'
import { serve } from '../lib/agent.js'

const GREETING = Buffer.alloc(64)
GREETING.set([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1])
GREETING.write('NULL', 12)
const READY_BODY = Buffer.from('\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00', 'latin1')
const READY = Buffer.concat([Buffer.from([4, READY_BODY.length]), READY_BODY])

serve({
  open: async ({ port, count, zmtp }) => {
    for (let index = 0; index < count; index++) {
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      if (!zmtp) continue
      socket.write(GREETING)
      socket.once('data', () => socket.write(READY))
      socket.resume()
    }
    // The last handshakes need a moment.
    await new Promise((resolve) => setTimeout(resolve, 500))
  },
})
