import { describe, expect, it } from 'vitest'
import { createSystemClock } from '../../../src/adapters/clock/system.ts'

describe('the system clock', () => {
  it('takes its time from the boot clock when there is one', () => {
    expect(createSystemClock(() => 12_345_678_000_000n).nowMs()).toBe(12_345_678)
  })

  it('goes forward without one', () => {
    const clock = createSystemClock()
    const first = clock.nowMs()
    expect(clock.nowMs()).toBeGreaterThanOrEqual(first)
  })

  it('does not fire a timer of more than 24 days at once', async () => {
    const clock = createSystemClock()
    let fired = false
    const timer = clock.setTimer(2 ** 40, () => {
      fired = true
    })
    await new Promise<void>((resolve) => clock.setTimer(5, resolve))
    timer.cancel()
    expect(fired).toBe(false)
  })
})
