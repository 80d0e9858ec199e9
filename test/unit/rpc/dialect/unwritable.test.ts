import { describe, expect, it } from 'vitest'
import { pathOf } from '../../../../src/rpc/dialect/unwritable.ts'

describe('the path to a value', () => {
  it('reads as code would', () => {
    expect(pathOf([])).toBe('')
    expect(pathOf(['samples', 3, 'call back', '', 'ok'])).toBe('.samples[3]["call back"][""].ok')
  })

  it('leaves out the inner steps of a long way', () => {
    const keys = Array.from({ length: 16 }, (_, n) => n)
    expect(pathOf(keys)).toBe('[0][1][2][3][4][5][6][7][8][9][10][11][12][13][14][15]')
    expect(pathOf([...keys, 'end'])).toBe('[0][1][2][3][4][5][6][7]…[9][10][11][12][13][14][15].end')
  })
})
