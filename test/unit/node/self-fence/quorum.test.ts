import { describe, expect, it } from 'vitest'
import { noQuorumProof, type QuorumQuestion } from '../../../../src/node/self-fence/quorum.ts'

/** Three coordinators; contact was lost at 100 s, the question goes out at 103 s. */
function question(change: Partial<QuorumQuestion>): QuorumQuestion {
  return {
    askedAtMs: 103_000,
    answeredAtMs: 103_050,
    notServingForMs: [2500, 2600],
    coordinators: 3,
    baseMs: 100_000,
    sessionTimeoutMs: 6000,
    ...change,
  }
}

describe('the proof that no session can have ended', () => {
  it.each<[string, Partial<QuorumQuestion>, number | undefined]>([
    ['more than half are out of service', {}, 103_000],
    ['all are', { notServingForMs: [2500, 2600, 9000] }, 103_000],
    ['one that serves does not matter when two do not', { notServingForMs: [0, 2600, 2500] }, 103_000],
    ['not with half of them', { notServingForMs: [2500] }, undefined],
    ['nor when one of the needed is out too shortly', { notServingForMs: [2600, 1999] }, undefined],
    ['nor with four of which two are out', { coordinators: 4, notServingForMs: [2500, 2500, 0, 0] }, undefined],
    ['nor when the answers took too long', { answeredAtMs: 105_001 }, undefined],
    [
      'an outage that lasts: told again and again',
      { askedAtMs: 130_000, answeredAtMs: 130_010, notServingForMs: [29_000, 29_500], baseMs: 129_000 },
      130_000,
    ],
    [
      'first seen late, but begun while the session was certain',
      { askedAtMs: 108_000, answeredAtMs: 108_010, notServingForMs: [4000, 7000] },
      108_000,
    ],
    [
      'not when the session may have ended before the outage began',
      { askedAtMs: 110_000, answeredAtMs: 110_010, notServingForMs: [4000, 9000] },
      undefined,
    ],
    ['nor when it is no news', { baseMs: 103_000 }, undefined],
  ])('%s', (_, change, proof) => {
    expect(noQuorumProof(question(change))).toBe(proof)
  })
})
