import { describe, expect, it } from 'vitest'
import { figureLine, percentile } from '../../bench/figure.ts'

describe('percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
  it.each([
    [0, 1],
    [50, 50],
    [99, 99],
    [100, 100],
  ])('%i of 1 to 100 is %i', (percent, expected) => {
    expect(percentile(hundred, percent)).toBe(expected)
  })

  it('of nothing is an error', () => {
    expect(() => percentile([], 50)).toThrow(RangeError)
  })
})

describe('figureLine', () => {
  it('has the six keys in order', () => {
    const line = figureLine('b', { metric: 'ms', value: 1.23456789, unit: 'ms', params: { vms: 10 }, n: 5 })
    expect(line).toBe('{"bench":"b","metric":"ms","value":1.23457,"unit":"ms","params":{"vms":10},"n":5}')
  })

  it('refuses a value that is no number', () => {
    const broken = { metric: 'ms', value: Number.NaN, unit: 'ms', params: {}, n: 0 }
    expect(() => figureLine('b', broken)).toThrow(RangeError)
  })
})
