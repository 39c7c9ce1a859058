import { describe, expect, it } from 'vitest'
import type { FlushRun, FlushStep } from '../../../../src/model/flush.ts'
import { fitRun, RUN_LIMIT_BYTES } from '../../../../src/node/flush/fit.ts'
import { uuidOf } from '../../model/placement-world.ts'

function step(index: number, own: Partial<FlushStep> = {}): FlushStep {
  const base = { target: null, method: 'live', state: 'waiting', orderId: null } as const
  const name = `vm${index}`
  return { vm: uuidOf(name), name, ...base, reason: 'x'.repeat(200), tried: [], ...own }
}

function run(steps: FlushStep[], own: Partial<FlushRun> = {}): FlushRun {
  const base = { id: 'r', kind: 'flush', wish: 1, startedAt: 0, endedAt: null, waitsFor: null } as const
  return { ...base, problem: '', parallel: 2, steps, hidden: 0, later: 0, ...own }
}

const bytes = (value: FlushRun) => Buffer.byteLength(JSON.stringify(value))

describe('the document of a run', () => {
  it('is left as it is when it fits', () => {
    const made = run([step(1), step(2, { state: 'done' })], { hidden: 3 })
    expect(fitRun(made)).toEqual(made)
  })

  it('shortens a reason of libvirt', () => {
    const [only] = fitRun(run([step(1, { reason: 'y'.repeat(5000) })])).steps
    expect(only?.reason).toMatch(/^y{299}…$/)
  })

  it('drops what is over first, then what is furthest from its turn, and counts both', () => {
    const steps = Array.from({ length: 1200 }, (_, index) => step(index, index < 300 ? { state: 'done' } : {}))
    const fitted = fitRun(run(steps))
    expect(bytes(fitted)).toBeLessThanOrEqual(RUN_LIMIT_BYTES)
    expect(fitted.steps[0]?.name).toBe('vm300')
    expect(fitted.hidden).toBe(300)
    expect(fitted.steps.length + fitted.hidden + fitted.later).toBe(1200)
    expect(bytes(fitted)).toBeGreaterThan(RUN_LIMIT_BYTES - 1000)
  })

  it('counts what is over for good, and what comes later anew', () => {
    const steps = Array.from({ length: 1000 }, (_, index) => step(index))
    const once = fitRun(run(steps, { hidden: 7 }))
    const twice = fitRun({ ...once, steps })
    expect([twice.hidden, twice.later]).toEqual([7, once.later])
  })
})
