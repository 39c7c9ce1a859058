import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatSizeExact, parseSizeBytes } from '../../../src/base/units.ts'

describe('sizes', () => {
  it.each([
    ['10G', 10 * 2 ** 30],
    ['10GiB', 10 * 2 ** 30],
    ['10 gb', 10 * 2 ** 30],
    ['1.5T', 1.5 * 2 ** 40],
    ['512', 512],
    ['0', 0],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSizeBytes(text)).toBe(bytes)
  })

  it.each(['', 'G', '-1G', '1X', '1e3', '10 G G', '9999999E'])('%s is no size', (text) => {
    expect(parseSizeBytes(text)).toBeUndefined()
  })

  it('survive being shown and read', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (bytes) => {
        expect(parseSizeBytes(formatSizeExact(bytes))).toBe(bytes)
      }),
    )
  })
})
