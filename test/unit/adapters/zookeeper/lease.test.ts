import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LEADER_PING_MS, LEASE_MARGIN_MS, Lease } from '../../../../src/adapters/zookeeper/lease.ts'

const TIMEOUT_MS = 6000

describe('the lease of a session', () => {
  it('begins with the attempt to connect', () => {
    expect(new Lease(1000).validForMs(1200, TIMEOUT_MS)).toBe(TIMEOUT_MS - 200 - LEASE_MARGIN_MS)
  })

  it('is not extended by reads', () => {
    const lease = new Lease(1000)
    for (let ms = 1000; ms < 5000; ms += 100) lease.acknowledge(ms, false)
    expect(lease.contactMs).toBe(1000)
    expect(lease.lastAckMs).toBe(4900)
  })

  it('is extended by an operation through the leader, up to what the leader has heard of by then', () => {
    const lease = new Lease(1000)
    lease.acknowledge(2000, true)
    expect(lease.contactMs).toBe(1000)
    lease.acknowledge(2000 + LEADER_PING_MS - 1, true)
    expect(lease.contactMs).toBe(1000)
    lease.acknowledge(2000 + LEADER_PING_MS, true)
    expect(lease.contactMs).toBe(2000)
  })

  it('never goes back, and never counts a request later than one that the leader surely heard of', () => {
    const ack = fc.record({ sentAtMs: fc.integer({ min: 1000, max: 20_000 }), throughLeader: fc.boolean() })
    fc.assert(
      fc.property(fc.array(ack, { maxLength: 200 }), (acks) => {
        const lease = new Lease(1000)
        let newestThroughLeaderMs = 1000 + LEADER_PING_MS
        for (const { sentAtMs, throughLeader } of acks) {
          const beforeMs = lease.contactMs
          lease.acknowledge(sentAtMs, throughLeader)
          if (throughLeader) newestThroughLeaderMs = Math.max(newestThroughLeaderMs, sentAtMs)
          expect(lease.contactMs).toBeGreaterThanOrEqual(beforeMs)
          expect(lease.contactMs).toBeLessThanOrEqual(newestThroughLeaderMs - LEADER_PING_MS)
        }
      }),
    )
  })

  it('keeps up on a session that is busy for long, with little memory', () => {
    const lease = new Lease(0)
    for (let ms = 0; ms < 1_000_000; ms += 10) lease.acknowledge(ms, ms % 500 === 0)
    expect(lease.contactMs).toBeGreaterThan(1_000_000 - 500 - LEADER_PING_MS - 100)
    expect(lease.remembered).toBeLessThan(100)
  })
})
