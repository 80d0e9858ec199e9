import { matrix } from './matrix.ts'

matrix({ name: 'go-zmq4', lacks: [], mechanisms: ['NULL', 'PLAIN'], faults: [] })
