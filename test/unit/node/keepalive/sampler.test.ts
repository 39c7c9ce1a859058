import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import { createSampler } from '../../../../src/node/keepalive/sampler.ts'

function sampler(read: () => Promise<number>) {
  const clock = new ManualClock()
  const results: (number | string)[] = []
  const made = createSampler({
    clock,
    what: 'the thing',
    read,
    intervalMs: 5000,
    retryMs: 2000,
    minGapMs: 1000,
    deadlineMs: 3000,
    onResult: () => results.push(made.trouble() ?? made.latest() ?? 'nothing'),
  })
  made.start()
  return { clock, results, made }
}

describe('sampler', () => {
  it('samples every interval', async () => {
    let value = 0
    const { clock, results } = sampler(async () => ++value)
    await clock.advance(10_000)
    expect(results).toEqual([1, 2, 3])
  })

  it('asks again at once when it is told to, as long as it has no sample', async () => {
    let calls = 0
    const { clock, made } = sampler(async () => {
      calls += 1
      if (calls === 1) throw new Error('not ready')
      return calls
    })
    await clock.advance(10)
    made.trigger()
    await clock.advance(100)
    expect(made.latest()).toBe(2)
    made.trigger()
    await clock.advance(100)
    expect(made.latest()).toBe(2)
  })

  it('keeps the old sample while a call hangs, says so, and makes no second call beside it', async () => {
    let calls = 0
    let answer: (value: number) => void = () => undefined
    const { clock, results, made } = sampler(() => {
      calls += 1
      return calls === 1 ? Promise.resolve(1) : new Promise((resolve) => (answer = resolve))
    })
    await clock.advance(20_000)
    expect(calls).toBe(2)
    expect(made.latest()).toBe(1)
    expect(made.ageMs()).toBe(20_000)
    expect(made.trouble()).toBe('the thing has not answered for 13 s')
    answer(2)
    await clock.advance(0)
    expect(results.at(-1)).toBe(2)
    expect(made.trouble()).toBeUndefined()
    expect(made.ageMs()).toBe(0)
  })

  it('keeps the old sample when a call fails, and tries again sooner', async () => {
    let calls = 0
    const { clock, made } = sampler(async () => {
      calls += 1
      if (calls > 1) throw new Error('refused')
      return 1
    })
    await clock.advance(9000)
    expect(calls).toBe(4)
    expect(made.latest()).toBe(1)
    expect(made.trouble()).toBe('refused')
  })

  it('answers many wishes with one sample, and never more often than the gap', async () => {
    let calls = 0
    const { clock, made } = sampler(async () => ++calls)
    for (let wish = 0; wish < 30; wish += 1) {
      made.trigger()
      await clock.advance(100)
    }
    expect(calls).toBe(4)
    made.stop()
    await clock.advance(60_000)
    expect(calls).toBe(4)
    expect(clock.pendingTimers).toBe(0)
  })
})
