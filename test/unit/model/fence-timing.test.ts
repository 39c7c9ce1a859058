import { describe, expect, it } from 'vitest'
import { type FenceTimes, lastRunMs, selfFenceWaitMs, timingProblems } from '../../../src/model/fence-timing.ts'

const selfFence = { boundMs: 9000, killMs: 2000, watchdogTimeoutS: 10, resetMs: 1000 }
const DEFAULTS: FenceTimes = { sessionTimeoutMs: 6000, cephTimeoutMs: 2000, selfFence }

describe('the wait for a self-fence', () => {
  it('is the 16 seconds of the protocol with the defaults', () => {
    expect(lastRunMs(selfFence)).toBe(20_000)
    expect(selfFenceWaitMs(20, 6000)).toBe(16_028)
  })

  it('is longer for a node that has not said how long its sessions last', () => {
    expect(selfFenceWaitMs(20, undefined)).toBeGreaterThan(18_000)
  })

  it('follows a longer watchdog, and is never less than its margin', () => {
    expect(selfFenceWaitMs(lastRunMs({ ...selfFence, watchdogTimeoutS: 60 }) / 1000, 6000)).toBeGreaterThan(66_000)
    expect(lastRunMs({ ...selfFence, killMs: 20_000 })).toBe(29_000)
    expect(selfFenceWaitMs(1, 6000)).toBe(2000)
  })
})

describe('the inequalities', () => {
  it('hold for the defaults, and without a self-fence', () => {
    expect(timingProblems(DEFAULTS)).toEqual([])
    expect(timingProblems({ ...DEFAULTS, selfFence: undefined })).toEqual([])
  })

  it.each([
    [{ cephTimeoutMs: 2400 }, 'T9', 'fencing.cephTimeoutMs', 'is 2400 ms'],
    [{ sessionTimeoutMs: 3000 }, 'T5', 'zookeeper.sessionTimeoutMs', 'is 3000 ms'],
    [
      { selfFence: { ...selfFence, boundMs: 8000 } },
      'T4',
      'selfFence.boundMs',
      'is 8000 ms, but must be at least 8200 ms',
    ],
    [{ sessionTimeoutMs: 8500 }, 'T4', 'selfFence.boundMs', 'must be at least 9500 ms'],
    [{ sessionTimeoutMs: 12_000 }, 'T6', 'selfFence.boundMs', 'must be at least 10000 ms'],
    [{ sessionTimeoutMs: 15_000 }, 'T10', 'selfFence.boundMs', 'must be at least 10000 ms'],
    [{ selfFence: { ...selfFence, watchdogTimeoutS: 1 } }, 'T2', 'selfFence.watchdog.timeoutS', 'is 1 s'],
  ])('%j violates %s', (change, rule, path, words) => {
    expect(timingProblems({ ...DEFAULTS, ...change })).toContainEqual({
      rule,
      path,
      message: expect.stringContaining(words),
    })
  })
})
