import { matrix } from './matrix.ts'

matrix({ name: 'zmq-rs', lacks: ['Pair'], mechanisms: ['NULL'], faults: [] })
