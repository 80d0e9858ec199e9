/** Counts what is allocated as buffers, in this thread: what a stranger announces must not be. */

let allocated = 0

type Allocate = (size: number, ...rest: never[]) => Buffer

const counted =
  (allocate: Allocate): Allocate =>
  (size, ...rest) => {
    allocated += size
    return allocate(size, ...rest)
  }

Buffer.alloc = counted(Buffer.alloc as Allocate) as typeof Buffer.alloc
Buffer.allocUnsafe = counted(Buffer.allocUnsafe as Allocate) as typeof Buffer.allocUnsafe
Buffer.allocUnsafeSlow = counted(Buffer.allocUnsafeSlow as Allocate) as typeof Buffer.allocUnsafeSlow
const concat = Buffer.concat
Buffer.concat = ((list, length) => {
  const joined = concat(list, length)
  allocated += joined.length
  return joined
}) as typeof concat

/** Bytes since the start of this thread. */
export function allocatedBytes(): number {
  return allocated
}
