/**
 * Frames on their way to another thread: large ones are handed over with their memory, where they have one of their own and its owner
 * has given it up; of all others a copy goes.
 */

import type { Message } from '../../wire/index.ts'
import type { PortFrames } from './port-messages.ts'

/**
 * Below it nothing is gained by handing memory over. Measured, CPU time of both threads for a message there and an answer back: 4 KiB
 * 24 µs copied and 25 µs handed over, 16 KiB 32 and 21 µs, 1 MiB 433 and 110 µs.
 */
const TRANSFER_BYTES = 16 * 1024

const given = new WeakSet<ArrayBufferLike>()

/**
 * Says that the memory of a binary is not needed here any more once the call is answered: in a thread, it is then handed over with the
 * result (or the item of a stream) and not copied. The binary is empty afterwards. Without threads it changes nothing.
 *
 * Worth it from some hundred kilobytes on. All of its memory must be the binary's own (`Buffer.from` and `Buffer.concat` of less than
 * 4 KiB share theirs).
 *
 * @example
 * ```ts
 * services.register(Render, ({ page }) => giveAway(render(page)))
 * ```
 * @returns the same binary
 */
export function giveAway<View extends ArrayBufferView>(binary: View): View {
  if (ownsItsMemory(binary)) given.add(binary.buffer)
  return binary
}

/** @param received the frames came from the wire: nobody else has them */
export function toPort(message: Message, transfer: ArrayBuffer[], received: boolean): PortFrames {
  return message.map((frame) => {
    if (frame.length < TRANSFER_BYTES) return new Uint8Array(frame)
    const { buffer } = frame
    const own = buffer instanceof ArrayBuffer && !transfer.includes(buffer) && ownsItsMemory(frame) && (received || given.has(buffer))
    // A copy is handed over, so that it is the only one.
    const sent = own ? new Uint8Array(buffer) : new Uint8Array(frame)
    transfer.push(sent.buffer)
    return sent
  })
}

/** Whether `toPort` leaves nothing of these frames here. */
export function isHandedOver(message: Message): boolean {
  return message.some((frame) => frame.length >= TRANSFER_BYTES && ownsItsMemory(frame))
}

export function fromPort(frames: PortFrames): Message {
  return frames.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength))
}

function ownsItsMemory({ buffer, byteLength }: ArrayBufferView): boolean {
  return byteLength === buffer.byteLength
}
