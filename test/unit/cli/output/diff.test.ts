import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { unifiedDiff } from '../../../../src/cli/output/diff.ts'

/** Applies a unified difference as patch(1) would, checking every place it names. */
function applyDiff(before: string, difference: readonly string[]): string {
  if (difference.length === 0) return before
  const source = before.split('\n')
  const result: string[] = []
  let at = 0
  for (const line of difference.slice(2)) {
    const header = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@$/.exec(line)
    if (header) {
      const start = Number(header[1]) - (header[2] === '0' ? 0 : 1)
      result.push(...source.slice(at, start))
      at = start
      expect(result.length).toBe(Number(header[3]) - (header[4] === '0' ? 0 : 1))
    } else if (line.startsWith('+')) result.push(line.slice(1))
    else {
      expect(line.slice(1)).toBe(source[at])
      if (line.startsWith(' ')) result.push(line.slice(1))
      at += 1
    }
  }
  return [...result, ...source.slice(at)].join('\n')
}

const text = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 30 }).map((lines) => lines.join('\n'))

describe('unifiedDiff', () => {
  it('leads from one text to the other', () => {
    fc.assert(
      fc.property(text, text, fc.integer({ min: 0, max: 4 }), (before, after, context) => {
        expect(applyDiff(before, unifiedDiff(before, after, context))).toBe(after)
      }),
    )
  })

  it('is empty for equal texts', () => {
    expect(unifiedDiff('a\nb', 'a\nb')).toEqual([])
  })

  it('shows three lines around a change, and near changes together', () => {
    const before = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`).join('\n')
    const after = before.replace('line 5', 'five').replace('line 9', 'nine').replace('line 19', 'nineteen')
    expect(unifiedDiff(before, after).filter((line) => /^[@+-]/.test(line))).toEqual([
      '--- current',
      '+++ modified',
      '@@ -2,11 +2,11 @@',
      '-line 5',
      '+five',
      '-line 9',
      '+nine',
      '@@ -16,5 +16,5 @@',
      '-line 19',
      '+nineteen',
    ])
  })

  it('copes with texts too large to compare line by line', () => {
    const before = Array.from({ length: 3000 }, (_, index) => `a${index}`).join('\n')
    const after = before.replaceAll('a', 'b')
    expect(applyDiff(before, unifiedDiff(before, after))).toBe(after)
  })
})
