import { describe, expect, it } from 'vitest'
import { planVolumes, type VolumeState } from '../../../../src/node/domain/volumes/plan.ts'
import { VOLUME } from './fixtures.ts'

const OWN = ['10.90.1.11', 'fd00::11']
const own = { lockId: 'auto 1', locker: 'client.7', address: '10.90.1.11:0/111' }
const stranger = { lockId: 'auto 2', locker: 'client.8', address: '10.90.1.12:0/222' }

function state(change: Partial<VolumeState>): VolumeState {
  return { volume: VOLUME, locks: [], watchers: [], localUsers: [], ...change }
}

describe('planVolumes', () => {
  it('has nothing to do for free volumes', () => {
    expect(planVolumes([state({})], OWN)).toEqual({ kind: 'clear', steps: [] })
  })

  it('evicts a dead client of this node from its lock, in one step', () => {
    expect(planVolumes([state({ locks: [own], watchers: [{ address: own.address, client: 7 }] })], OWN)).toEqual({
      kind: 'clear',
      steps: [{ kind: 'evict', volume: VOLUME, lock: own }],
    })
  })

  it('refuses a lock of another machine and names lock, owner and volume', () => {
    const plan = planVolumes([state({}), state({ locks: [stranger] })], OWN)
    expect(plan).toMatchObject({ kind: 'refused' })
    expect(plan.kind === 'refused' && plan.reason).toMatch(/vms\/web.*client\.8 at 10\.90\.1\.12.*auto 2/)
  })

  it('refuses a lock of a live local process and names it', () => {
    const plan = planVolumes([state({ locks: [own], localUsers: [42] })], OWN)
    expect(plan.kind === 'refused' && plan.reason).toMatch(/process 42 of this node/)
  })

  it('drops a watch left by a dead client of this node, and only that', () => {
    const watchers = [
      { address: own.address, client: 7 },
      { address: stranger.address, client: 8 },
    ]
    expect(planVolumes([state({ watchers })], OWN)).toEqual({
      kind: 'clear',
      steps: [{ kind: 'blocklist', address: own.address }],
    })
    expect(planVolumes([state({ watchers, localUsers: [42] })], OWN)).toEqual({ kind: 'clear', steps: [] })
  })
})
