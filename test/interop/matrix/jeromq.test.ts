/** JeroMQ: ZeroMQ in Java. */

import { matrix } from './matrix.ts'

matrix({
  name: 'jeromq',
  mechanisms: ['PLAIN', 'CURVE'],
  mutelyConnects: 'its poller loses a connection that it has just made (pull request 1022 of JeroMQ)',
  otherIpc: 'it uses a TCP port that it makes from the path',
})
