/** libzmq through pyzmq of today; `../libzmq` has it through the `zeromq` package. */

import { matrix } from './matrix.ts'

matrix({ name: 'pyzmqrpc3', mechanisms: ['PLAIN', 'CURVE'] })
