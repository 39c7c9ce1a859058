import { expect, it } from 'vitest'
import { formatJson } from '../../../../src/cli/output/json.ts'
import { formatBytes, formatCount, formatElapsed, formatMoment } from '../../../../src/cli/output/quantity.ts'

it.each([
  [0, '0B'],
  [1023, '1023B'],
  [1024, '1.0K'],
  [1536, '1.5K'],
  [1024 ** 2 - 1, '1.0M'],
  [2437037036703, '2.2T'],
])('shows %d bytes as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

it.each([
  [999, '999'],
  [1000, '1.0K'],
  [987654321, '987.7M'],
])('shows %d operations as %s', (count, text) => {
  expect(formatCount(count)).toBe(text)
})

it.each([
  [999, '0 s'],
  [61_000, '1 min 1 s'],
  [7_500_000, '2 h 5 min'],
  [97 * 3_600_000, '4 d 1 h'],
])('shows %d ms as %s', (elapsedMs, text) => {
  expect(formatElapsed(elapsedMs)).toBe(text)
})

it.each([
  [0, '0.0 s'],
  [849, '0.8 s'],
  [59_949, '59.9 s'],
  [61_000, '1 min 1 s'],
])('shows a moment of %d ms as %s', (elapsedMs, text) => {
  expect(formatMoment(elapsedMs)).toBe(text)
})

it('writes JSON on one line as the older client does', () => {
  const value = { a: [1, 'x"y', null], b: {}, c: [], d: undefined, e: true, f: 1.5 }
  expect(formatJson(value, false)).toBe('{"a": [1, "x\\"y", null], "b": {}, "c": [], "e": true, "f": 1.5}')
  expect(JSON.parse(formatJson(value, true))).toEqual({ a: [1, 'x"y', null], b: {}, c: [], e: true, f: 1.5 })
})
