import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import { Challenges } from '../../../../src/adapters/peer/challenge.ts'

function setUp(maxNonces = 100) {
  const clock = new ManualClock()
  let count = 0
  const challenges = new Challenges({ clock, newToken: () => `c${++count}`, lifetimeMs: 1000, maxNonces })
  return { clock, challenges }
}

describe('challenges', () => {
  it('admit each nonce once', () => {
    const { challenges } = setUp()
    expect(challenges.admit('c1', 'n1')).toBe('admitted')
    expect(challenges.admit('c1', 'n2')).toBe('admitted')
    expect(challenges.admit('c1', 'n1')).toBe('replayed')
  })

  it('refuse what they did not make up, as after a restart', () => {
    const { challenges } = setUp()
    expect(challenges.admit('', 'n1')).toBe('stale')
    expect(challenges.admit('c0', 'n1')).toBe('stale')
  })

  it('stay good for a second lifetime, and remember its nonces', async () => {
    const { clock, challenges } = setUp()
    challenges.admit('c1', 'n1')
    await clock.advance(1500)
    expect(challenges.current()).toBe('c2')
    expect(challenges.admit('c1', 'n2')).toBe('admitted')
    expect(challenges.admit('c1', 'n1')).toBe('replayed')
    await clock.advance(1000)
    expect(challenges.admit('c1', 'n3')).toBe('stale')
    expect(challenges.admit('c1', 'n1')).toBe('stale')
  })

  it('forget everything after a long rest', async () => {
    const { clock, challenges } = setUp()
    challenges.admit('c1', 'n1')
    await clock.advance(100_000)
    expect(challenges.admit('c1', 'n1')).toBe('stale')
  })

  it('end early instead of remembering without bound', () => {
    const { challenges } = setUp(3)
    for (const nonce of ['a', 'b', 'c']) challenges.admit('c1', nonce)
    expect(challenges.current()).toBe('c2')
    expect(challenges.admit('c1', 'a')).toBe('replayed')
  })
})
