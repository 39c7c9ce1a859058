import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CLOSED_JOURNAL } from '../../../../src/model/fence.ts'
import { BootId, LifeId } from '../../../../src/model/ids.ts'
import {
  type AliveSnapshot,
  decideAlive,
  decideCertification,
  decideLife,
} from '../../../../src/node/membership/decide.ts'

const life = LifeId.parse('life-1')
const other = LifeId.parse('life-0')
const snapshot = (over: Partial<AliveSnapshot>): AliveSnapshot => ({
  sessionId: 's2',
  life,
  machineId: 'm1',
  alive: undefined,
  ...over,
})

describe('decideAlive', () => {
  it('creates a missing alive', () => {
    expect(decideAlive(snapshot({}))).toEqual({ kind: 'create' })
  })
  it('is content with its own', () => {
    const alive = { value: { life, machineId: 'm1' }, version: 3, ephemeralOwner: 's2' }
    expect(decideAlive(snapshot({ alive }))).toEqual({ kind: 'owned' })
  })
  it('changes the life of its own in place, so that it is never absent', () => {
    const alive = { value: { life: other, machineId: 'm1' }, version: 3, ephemeralOwner: 's2' }
    expect(decideAlive(snapshot({ alive }))).toEqual({ kind: 'update', version: 3 })
  })
  it('replaces the one an earlier daemon of this life left behind', () => {
    const alive = { value: { life }, version: 0, ephemeralOwner: 's1' }
    expect(decideAlive(snapshot({ alive, machineId: undefined }))).toEqual({ kind: 'replace', version: 0 })
  })
  it('replaces the one of this machine before its boot', () => {
    const alive = { value: { life: other, machineId: 'm1' }, version: 0, ephemeralOwner: 's1' }
    expect(decideAlive(snapshot({ alive }))).toEqual({ kind: 'replace', version: 0 })
  })
  it('never removes the alive of another machine', () => {
    for (const value of [{ life: other, machineId: 'm2' }, { life: other }]) {
      const alive = { value, version: 0, ephemeralOwner: 's1' }
      expect(decideAlive(snapshot({ alive })).kind).toBe('wait')
      expect(decideAlive(snapshot({ alive, machineId: undefined })).kind).toBe('wait')
    }
  })
})

describe('decideCertification', () => {
  it('certifies on a closed journal', () => {
    expect(decideCertification(life, CLOSED_JOURNAL)).toEqual({ kind: 'certified' })
    expect(decideCertification(life, { ...CLOSED_JOURNAL, deadLives: [other] })).toEqual({ kind: 'certified' })
  })
  it('refuses in every other state, whatever life it names', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('open' as const, 'evidence' as const, 'recovered' as const),
        fc.constantFrom(life, other, null),
        fc.nat(),
        (state, named, epoch) => {
          expect(decideCertification(life, { ...CLOSED_JOURNAL, state, life: named, epoch }).kind).toBe('fenced')
        },
      ),
    )
  })
  it('sends a life that was proven dead, or is kept back, into quarantine', () => {
    expect(decideCertification(life, { ...CLOSED_JOURNAL, deadLives: [life] }).kind).toBe('fenced')
    expect(decideCertification(life, CLOSED_JOURNAL, 'it is in quarantine')).toMatchObject({
      reason: 'it is in quarantine',
    })
  })
  it('refuses where the journal is missing', () => {
    expect(decideCertification(life, undefined).kind).toBe('refused')
  })
})

describe('decideLife', () => {
  const bootId = BootId.parse('b1')
  it('goes on with the kept life', () => {
    expect(decideLife({ bootId, kept: life, published: { life: other, bootId } })).toBe(life)
  })
  it('goes on with the published life of the same boot when the file was lost', () => {
    expect(decideLife({ bootId, kept: undefined, published: { life, bootId } })).toBe(life)
  })
  it('begins a new life after a boot', () => {
    const published = { life, bootId: BootId.parse('b0') }
    expect(decideLife({ bootId, kept: undefined, published })).toBeUndefined()
    expect(decideLife({ bootId, kept: undefined, published: undefined })).toBeUndefined()
  })
})
