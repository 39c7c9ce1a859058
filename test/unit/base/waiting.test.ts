import { describe, expect, it } from 'vitest'
import { ManualClock, settle } from '../../../src/adapters/fake/clock.ts'
import { backoffDelayMs } from '../../../src/base/backoff.ts'
import { sleep } from '../../../src/base/clock.ts'
import { DeadlineError, withDeadline } from '../../../src/base/deadline.ts'
import { Limiter } from '../../../src/base/limiter.ts'
import { MutableSignal } from '../../../src/base/signal.ts'

describe('a deadline', () => {
  it('ends the wait, not the work', async () => {
    const clock = new ManualClock()
    const never = new Promise<never>(() => undefined)
    const work = expect(withDeadline(clock, 500, 'the answer', never)).rejects.toBeInstanceOf(DeadlineError)
    await clock.advance(500)
    await work
  })

  it('leaves no timer behind when the work was in time', async () => {
    const clock = new ManualClock()
    expect(await withDeadline(clock, 500, 'the answer', Promise.resolve(42))).toBe(42)
    await expect(withDeadline(clock, 500, 'the answer', Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('sleep', () => {
  it('ends after its time, or at once when aborted', async () => {
    const clock = new ManualClock()
    const ended: string[] = []
    const aborted = new AbortController()
    void sleep(clock, 100).then(() => ended.push('slept'))
    void sleep(clock, 100, aborted.signal).then(() => ended.push('aborted'))
    aborted.abort()
    await clock.advance(99)
    expect(ended).toEqual(['aborted'])
    await clock.advance(1)
    expect(ended).toEqual(['aborted', 'slept'])
    await sleep(clock, 100, aborted.signal)
    expect(clock.pendingTimers).toBe(0)
  })
})

it('back-off doubles up to its end, without overflowing', () => {
  const backoff = { firstMs: 1000, maxMs: 60_000 }
  const delays = [1, 2, 3, 6, 7, 1000].map((attempt) => backoffDelayMs(backoff, attempt))
  expect(delays).toEqual([1000, 2000, 4000, 32_000, 60_000, 60_000])
})

describe('a signal', () => {
  it('tells of changes only, and not those who left meanwhile', () => {
    const signal = new MutableSignal(1)
    const seen: number[] = []
    const stop = signal.subscribe((value) => seen.push(value))
    signal.set(1)
    signal.set(2)
    expect(signal.value).toBe(2)
    stop()
    signal.set(3)
    expect(seen).toEqual([2])
  })
})

describe('a limiter', () => {
  it('keeps the number in flight and the order, also when work fails', async () => {
    const limiter = new Limiter(2)
    const ends: (() => void)[] = []
    const begun: number[] = []
    const all = [0, 1, 2, 3].map((n) =>
      limiter.run(async () => {
        begun.push(n)
        await new Promise<void>((resolve) => ends.push(resolve))
        if (n === 0) throw new Error('no')
      }),
    )
    const failed = expect(all[0]).rejects.toThrow('no')
    await settle()
    expect(begun).toEqual([0, 1])
    ends[0]?.()
    await failed
    await settle()
    expect(begun).toEqual([0, 1, 2])
    ends[1]?.()
    ends[2]?.()
    await settle()
    ends[3]?.()
    await Promise.all(all.slice(1))
    expect(begun).toEqual([0, 1, 2, 3])
  })
})

describe('the manual clock', () => {
  it('fires timers in the order of their time, and sees the time they were set for', async () => {
    const clock = new ManualClock(0)
    const fired: [string, number][] = []
    clock.setTimer(20, () => fired.push(['late', clock.nowMs()]))
    clock.setTimer(10, () => {
      fired.push(['early', clock.nowMs()])
      clock.setTimer(5, () => fired.push(['nested', clock.nowMs()]))
    })
    clock.setTimer(15, () => fired.push(['cancelled', 0])).cancel()
    await clock.advance(30)
    expect(fired).toEqual([
      ['early', 10],
      ['nested', 15],
      ['late', 20],
    ])
    expect(clock.nowMs()).toBe(30)
  })
})
