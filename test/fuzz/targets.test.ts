/** The fuzzer's properties hold for some inputs of a fixed seed. For many: `npm run fuzz`. */

import { beforeAll, describe, expect, it } from 'vitest'
import { Fuzzer } from '../../fuzz/fuzzer.ts'
import { Random } from '../../fuzz/random.ts'
import { fromHex, type Pieces, toHex } from '../../fuzz/target.ts'
import { TARGETS } from '../../fuzz/targets/index.ts'
import { loadCrypto } from '../../src/wire/index.ts'

beforeAll(loadCrypto)

describe.each(TARGETS.map(({ target }) => target))('$name', (target) => {
  it('holds what it promises, for 300 inputs', () => {
    const fuzzer = new Fuzzer(target, 1)
    let input: Pieces = []
    try {
      for (let count = 0; count < 300; count++) {
        input = fuzzer.next()
        fuzzer.run(input)
      }
    } catch (error) {
      throw new Error(`npm run fuzz -- --target ${target.name} --replay ${toHex(input)}`, { cause: error })
    }
    expect(fuzzer.reached).toBeGreaterThan(5)
  })

  it('makes inputs that can be written down and run again', () => {
    const input = target.generate(new Random(1))
    expect(target.run(fromHex(toHex(input)))).toBe(target.run(input))
  })
})

const connections = TARGETS.map(({ target }) => target).filter(({ name }) => /null|plain|curve/.test(name))

it.each(connections)('$name: most inputs get as far as traffic before they are mutated', (target) => {
  const random = new Random(1)
  const inputs = Array.from({ length: 100 }, () => target.generate(random))
  // What they say in traffic may be wrong, too; then the connection is closed again.
  const reached = inputs.map((input) => target.run(input)).filter((kinds) => /ready/.test(kinds))
  expect(reached.length).toBeGreaterThan(50)
})
