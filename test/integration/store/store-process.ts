/**
 * A process that has a segment log open: `node store-process.ts FOLDER`. Says `open`, then each `seq` that was acknowledged; on standard input
 * `append COUNT`, `ack SEQ`. Made to be killed.
 */

import { createInterface } from 'node:readline'
import { SegmentLog } from '../../../src/store/segment-log/segment-log.ts'

const store = new SegmentLog({ path: process.argv[2] as string, segmentBytes: 64 * 1024 })
try {
  await store.open()
  console.log('open')
} catch (error) {
  console.log(JSON.stringify(error))
  process.exit(1)
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [verb, number] = line.split(' ')
  if (verb === 'append') {
    for (let count = 0; count < Number(number); count++) {
      store.append({ id: `${process.pid} ${Math.random()}`, data: Buffer.alloc(200, 1) }).then(({ seq }) => {
        console.log(`${seq}`)
        void store.ack(seq % 3 === 0 ? [seq] : []).then(() => seq % 3 === 0 && console.log(`ended ${seq}`))
      }, console.error)
    }
  } else if (verb === 'close') {
    store.close().then(() => process.exit(0), console.error)
  }
})
