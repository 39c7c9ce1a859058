import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideHeartbeat, type HeartbeatSnapshot } from '../../../../src/node/keepalive/decide.ts'

const snapshot = (over: Partial<HeartbeatSnapshot>): HeartbeatSnapshot => ({
  nowMs: 100_000,
  intervalMs: 5000,
  statusWrittenAtMs: 99_000,
  isUrgent: false,
  statsWrittenAtMs: 99_000,
  isStatusNews: false,
  isStatsNews: true,
  ...over,
})

describe('decideHeartbeat', () => {
  it('writes both documents at once in a new session', () => {
    const decision = decideHeartbeat(snapshot({ statusWrittenAtMs: undefined, statsWrittenAtMs: undefined }))
    expect(decision.write).toEqual(['status', 'stats'])
  })
  it('writes the status without waiting for statistics', () => {
    const decision = decideHeartbeat(
      snapshot({ statusWrittenAtMs: 95_000, statsWrittenAtMs: 95_000, isStatsNews: false }),
    )
    expect(decision.write).toEqual(['status'])
  })
  it('waits for the rest of the interval', () => {
    expect(decideHeartbeat(snapshot({}))).toEqual({ write: [], wakeInMs: 4000 })
  })
  it('writes a change at once when the last write is some time ago, else a little later', () => {
    expect(decideHeartbeat(snapshot({ isStatusNews: true })).write).toEqual(['status'])
    expect(decideHeartbeat(snapshot({ isStatusNews: true, isUrgent: true, statusWrittenAtMs: 99_990 })).write).toEqual([
      'status',
    ])
    expect(decideHeartbeat(snapshot({ isStatusNews: true, statusWrittenAtMs: 99_600 }))).toEqual({
      write: [],
      wakeInMs: 600,
    })
  })

  it('never writes the status later than an interval, nor more often than five times per interval', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20_000 }), { maxLength: 30 }), (changes) => {
        const times = simulate(5000, 60_000, changes)
        for (const [index, at] of times.entries()) {
          const before = times[index - 1] ?? 0
          expect(at - before).toBeLessThanOrEqual(5000)
          if (index > 0) expect(at - before).toBeGreaterThanOrEqual(1000)
        }
      }),
    )
  })

  it('makes two writes per interval when nothing changes', () => {
    expect(simulate(5000, 60_000, [])).toHaveLength(13)
  })
})

/** Plays the decision over time with changes at the given distances; returns the times of status writes. */
function simulate(intervalMs: number, untilMs: number, distances: readonly number[]): number[] {
  const changes: number[] = []
  for (const distance of distances) changes.push((changes.at(-1) ?? 0) + distance)
  const written: number[] = []
  let isStatusNews = false
  let nowMs = 0
  while (nowMs <= untilMs) {
    const decision = decideHeartbeat({
      nowMs,
      intervalMs,
      statusWrittenAtMs: written.at(-1),
      statsWrittenAtMs: nowMs,
      isStatusNews,
      isUrgent: false,
      isStatsNews: false,
    })
    if (decision.write.includes('status')) {
      written.push(nowMs)
      isStatusNews = false
    }
    const next = changes.find((at) => at > nowMs) ?? Number.POSITIVE_INFINITY
    expect(decision.wakeInMs).toBeGreaterThan(0)
    if (next <= nowMs + decision.wakeInMs) isStatusNews = true
    nowMs = Math.min(next, nowMs + decision.wakeInMs)
  }
  return written
}
