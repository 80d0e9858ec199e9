import { matrix } from './matrix.ts'

matrix({ name: 'pyzmqrpc3', lacks: [], mechanisms: ['NULL', 'PLAIN', 'CURVE'], faults: [] })
