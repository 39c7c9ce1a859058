import { describe, expect, it } from 'vitest'
import { ManualClock, settle } from '../../../../src/adapters/fake/clock.ts'
import { NO_ROW, nextRow, QuorumSampler, type Row, rowLengthMs } from '../../../../src/node/peer/quorum.ts'
import type { ServerState } from '../../../../src/ports/peer.ts'

/** The row after samples: `[time, state]`. */
function rowOf(...samples: readonly (readonly [number, ServerState])[]): Row {
  return samples.reduce<Row>((row, [atMs, state]) => nextRow(row, atMs, state), NO_ROW)
}

describe('how long a server has not served', () => {
  it.each<[string, readonly (readonly [number, ServerState])[], number]>([
    ['nothing is known', [], 0],
    ['it serves', [[0, 'serving']], 0],
    [
      'counted from the first sample that did not serve',
      [
        [0, 'serving'],
        [250, 'not-serving'],
        [500, 'not-serving'],
      ],
      250,
    ],
    [
      'a refusal counts once a server was heard',
      [
        [0, 'not-serving'],
        [250, 'refused'],
        [500, 'refused'],
      ],
      500,
    ],
    [
      'a refusal alone may be a wrong address',
      [
        [0, 'refused'],
        [250, 'refused'],
        [500, 'refused'],
      ],
      0,
    ],
    [
      'serving ends it',
      [
        [0, 'not-serving'],
        [250, 'serving'],
        [500, 'not-serving'],
        [750, 'not-serving'],
      ],
      250,
    ],
    [
      'silence proves nothing',
      [
        [0, 'not-serving'],
        [250, 'silent'],
        [500, 'not-serving'],
        [750, 'not-serving'],
      ],
      250,
    ],
    [
      'a gap proves nothing',
      [
        [0, 'not-serving'],
        [250, 'not-serving'],
        [1300, 'not-serving'],
        [1500, 'not-serving'],
      ],
      200,
    ],
  ])('%s', (_, samples, expected) => {
    expect(rowLengthMs(rowOf(...samples))).toBe(expected)
  })
})

describe('the sampler', () => {
  it('answers from a sample that was asked for after the question', async () => {
    const clock = new ManualClock()
    let asked = 0
    let answer: ((state: ServerState) => void) | undefined
    const sampler = new QuorumSampler(clock, {
      state: () => {
        asked += 1
        return new Promise((resolve) => {
          answer = resolve
        })
      },
    })
    sampler.start()
    const result = sampler.notServingForMs()
    expect(asked).toBe(1)
    answer?.('not-serving')
    await settle()
    expect(asked).toBe(2)
    await clock.advance(100)
    answer?.('not-serving')
    expect(await result).toBe(0)
    sampler.stop()
    await clock.advance(1000)
    expect(clock.pendingTimers).toBe(0)
  })

  it('keeps counting by itself', async () => {
    const clock = new ManualClock()
    let state: ServerState = 'serving'
    const sampler = new QuorumSampler(clock, { state: async () => state })
    sampler.start()
    await clock.advance(1000)
    state = 'refused'
    await clock.advance(3000)
    const ms = await sampler.notServingForMs()
    expect(ms).toBeGreaterThanOrEqual(2500)
    expect(ms).toBeLessThanOrEqual(3000)
    sampler.stop()
  })
})
