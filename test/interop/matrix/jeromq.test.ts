import { matrix } from './matrix.ts'

matrix({ name: 'jeromq', lacks: [], mechanisms: ['NULL', 'PLAIN', 'CURVE'], faults: [] })
