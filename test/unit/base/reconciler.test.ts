import { beforeEach, describe, expect, it } from 'vitest'
import { ManualClock, settle } from '../../../src/adapters/fake/clock.ts'
import { type PassResult, Reconciler } from '../../../src/base/reconciler.ts'

let clock: ManualClock
let passes: { end: (result?: PassResult | Error) => void }[]
let errors: unknown[]
let reconciler: Reconciler

beforeEach(() => {
  clock = new ManualClock()
  passes = []
  errors = []
  reconciler = new Reconciler({
    clock,
    rescanMs: 30_000,
    retryMs: 1000,
    onError: (error) => errors.push(error),
    pass: () =>
      new Promise((resolve, reject) => {
        passes.push({ end: (result = {}) => (result instanceof Error ? reject(result) : resolve(result)) })
      }),
  })
})

async function end(result?: PassResult | Error): Promise<void> {
  passes.at(-1)?.end(result)
  await settle()
}

describe('a reconciler', () => {
  it('runs one pass at a time, and exactly one more for any number of triggers meanwhile', async () => {
    reconciler.trigger()
    for (let n = 0; n < 5; n += 1) reconciler.trigger()
    expect(passes).toHaveLength(1)
    await end()
    expect(passes).toHaveLength(2)
    await end()
    expect(passes).toHaveLength(2)
  })

  it('looks again after the rescan time, or earlier when the pass asks for it', async () => {
    reconciler.trigger()
    await end({ wakeInMs: 200 })
    await clock.advance(199)
    expect(passes).toHaveLength(1)
    await clock.advance(1)
    expect(passes).toHaveLength(2)
    await end({ wakeInMs: 99_000 })
    await clock.advance(30_000)
    expect(passes).toHaveLength(3)
  })

  it('reports a failed pass and tries again', async () => {
    reconciler.trigger()
    await end(new Error('no'))
    expect(errors).toHaveLength(1)
    await clock.advance(1000)
    expect(passes).toHaveLength(2)
  })

  it('a trigger overtakes a planned pass', async () => {
    reconciler.trigger()
    await end()
    reconciler.trigger()
    await end()
    expect(passes).toHaveLength(2)
    expect(clock.pendingTimers).toBe(1)
  })

  it('stops after the pass in flight, and for good', async () => {
    reconciler.trigger()
    reconciler.trigger()
    const stopped = reconciler.stop()
    await end()
    await stopped
    reconciler.trigger()
    await clock.advance(60_000)
    expect(passes).toHaveLength(1)
    expect(clock.pendingTimers).toBe(0)
  })
})
