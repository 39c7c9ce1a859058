import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { hasCode } from '../../../src/model/errors.ts'
import type { RawNode } from '../../../src/ports/store.ts'
import { json } from '../../../src/schema/codec.ts'
import { document } from '../../../src/view/collection.ts'
import { judgeReading, type Known, UNKNOWN } from '../../../src/view/entry.ts'

const Doc = z.object({ generation: z.number(), note: z.string(), isTombstone: z.boolean().optional() })
const rules = document(
  { path: '/things/a', codec: json(Doc) },
  { order: ({ generation }) => generation, mayVanish: ({ isTombstone }) => isTombstone === true },
)

let zxid = 100n
function node(value: unknown, numbers: Partial<RawNode> = {}): RawNode {
  zxid += 1n
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return { text, version: 0, mzxid: zxid, czxid: 1n, ephemeralOwner: '0', ...numbers }
}
function knownAfter(...nodes: (RawNode | undefined)[]): Known {
  return nodes.reduce<Known>((known, each) => judgeReading(rules, known, each).known, UNKNOWN)
}

describe('a new reading of a document', () => {
  it('is taken up when it is newer, and once only', () => {
    const first = node({ generation: 1, note: 'first' })
    const known = knownAfter(first)
    expect(known.entry?.value).toEqual({ generation: 1, note: 'first' })
    expect(judgeReading(rules, known, first).change).toBe('none')
    expect(judgeReading(rules, known, node({ generation: 1, note: 'other' })).change).toBe('changed')
  })

  it('is refused when its order went backwards: the last good value stays, marked', () => {
    const verdict = judgeReading(
      rules,
      knownAfter(node({ generation: 7, note: 'good' })),
      node({ generation: 6, note: 'old' }),
    )
    expect(verdict.change).toBe('refused')
    expect(hasCode(verdict.problem, 'PVC_STORE_ROLLBACK')).toBe(true)
    expect(verdict.known.entry?.value).toEqual({ generation: 7, note: 'good' })
    expect(verdict.known.entry?.refused).toBe(verdict.problem)
  })

  it('is refused also when the znode was made anew', () => {
    const verdict = judgeReading(
      rules,
      knownAfter(node({ generation: 7, note: 'good' })),
      node({ generation: 1, note: 'new' }, { czxid: 2n }),
    )
    expect(verdict.change).toBe('refused')
  })

  it('is refused when it cannot be decoded, and reported once', () => {
    const bad = node('{"generation": "x"}')
    const verdict = judgeReading(rules, knownAfter(node({ generation: 1, note: 'good' })), bad)
    expect(hasCode(verdict.problem, 'PVC_STORE_CORRUPT')).toBe(true)
    expect(verdict.known.entry?.value).toEqual({ generation: 1, note: 'good' })
    expect(judgeReading(rules, verdict.known, bad)).toEqual({ known: verdict.known, change: 'none' })
  })

  it('heals a refused document when it reaches the order seen before', () => {
    const known = knownAfter(node({ generation: 7, note: 'good' }), node({ generation: 6, note: 'old' }))
    const verdict = judgeReading(rules, known, node({ generation: 7, note: 'again' }))
    expect(verdict.change).toBe('changed')
    expect(verdict.known.entry?.refused).toBeUndefined()
  })

  it('that finds nothing forgets a document that may vanish', () => {
    const verdict = judgeReading(rules, knownAfter(node({ generation: 9, note: '', isTombstone: true })), undefined)
    expect(verdict).toEqual({ known: UNKNOWN, change: 'removed' })
  })

  it('that finds nothing keeps the order of one that may not, and reports it', () => {
    const gone = judgeReading(rules, knownAfter(node({ generation: 9, note: '' })), undefined)
    expect(gone.change).toBe('removed')
    expect(hasCode(gone.problem, 'PVC_STORE_ROLLBACK')).toBe(true)
    expect(judgeReading(rules, gone.known, node({ generation: 1, note: '' })).change).toBe('refused')
    expect(judgeReading(rules, gone.known, node({ generation: 9, note: '' })).change).toBe('changed')
  })

  it('of a document refused for going backwards keeps its order when it vanishes', () => {
    const known = knownAfter(node({ generation: 7, note: '' }), node({ generation: 6, note: '' }), undefined)
    expect(judgeReading(rules, known, node({ generation: 6, note: '' })).change).toBe('refused')
  })

  it('lets a bug in the codec through', () => {
    const broken = { ...rules, decode: () => JSON.parse('{') as unknown }
    expect(() => judgeReading(broken, UNKNOWN, node('x'))).toThrow(SyntaxError)
  })
})
