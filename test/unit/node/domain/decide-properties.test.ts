import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideVm } from '../../../../src/node/domain/decide.ts'
import type { VmObservation } from '../../../../src/node/domain/observation.ts'
import { applyPatch } from '../../../../src/node/domain/patch.ts'
import { LIFE, MINE, memory, OLD_LIFE, OTHER, observation, RUNNING, SELF, spec, status, UUID } from './fixtures.ts'

const tombstone = { uuid: UUID, deleted: { at: 1, lastSeq: 4, generation: 3 } }
const permit = { life: LIFE, seq: 4 }

const anyRun = fc.constantFrom(
  null,
  MINE.run,
  { node: SELF, life: OLD_LIFE, holder: null },
  { node: SELF, life: LIFE, holder: 'job' },
  { node: OTHER, life: LIFE, holder: null },
)
const anyObservation: fc.Arbitrary<VmObservation> = fc
  .record({
    run: anyRun,
    phase: fc.constantFrom('off', 'starting', 'running', 'stopping', 'failed' as const),
    power: fc.constantFrom('on', 'off', 'disabled' as const),
    node: fc.constantFrom(SELF, OTHER),
    hold: fc.constantFrom(null, 'restore' as const),
    wishes: fc.record({ start: fc.nat(2), restart: fc.nat(1), stopNow: fc.nat(1) }),
    document: fc.constantFrom('spec', 'tombstone', 'none'),
    hasStatus: fc.boolean(),
    domain: fc.constantFrom(
      undefined,
      RUNNING,
      { ...RUNNING, isActive: false },
      { ...RUNNING, isPaused: true, isStarting: true },
      { ...RUNNING, mark: undefined },
      { ...RUNNING, mark: { life: OLD_LIFE, seq: 4 } },
    ),
    isCreateOutstanding: fc.boolean(),
    qemuPid: fc.constantFrom(undefined, 7),
    permit: fc.constantFrom(undefined, permit),
    isSeqTrusted: fc.boolean(),
    isExitUnclean: fc.boolean(),
    startsAtMs: fc.array(fc.integer({ min: 0, max: 1_000_000 }), { maxLength: 9 }),
  })
  .map((r) => {
    const wanted = spec({ power: r.power, node: r.node, hold: r.hold, wishes: r.wishes })
    const document = { spec: wanted, tombstone, none: undefined }[r.document as 'spec' | 'tombstone' | 'none']
    return observation({
      spec: document,
      status: r.hasStatus ? status({ run: r.run, phase: r.phase }) : undefined,
      domain: r.domain,
      isCreateOutstanding: r.isCreateOutstanding,
      qemuPid: r.qemuPid,
      permit: r.permit,
      isSeqTrusted: r.isSeqTrusted,
      memory: memory({ isExitUnclean: r.isExitUnclean, startsAtMs: r.startsAtMs.sort((a, b) => a - b) }, wanted),
    })
  })

describe('decideVm, whatever it sees', () => {
  it('starts only under its own record, when nothing of the VM is left here and it is wanted here', () => {
    fc.assert(
      fc.property(anyObservation, (o) => {
        const { action } = decideVm(o)
        if (action?.kind !== 'start') return
        expect(o.status?.run).toEqual(MINE.run)
        expect(action.mark).toEqual({ life: o.life, seq: o.status?.seq })
        expect([o.domain, o.isCreateOutstanding, o.qemuPid, o.isSeqTrusted]).toEqual([
          undefined,
          false,
          undefined,
          true,
        ])
        expect(o.spec).toMatchObject({ power: 'on', hold: null, node: SELF })
      }),
      { numRuns: 3000 },
    )
  })

  it('gives the record up only when nothing can run or start any more', () => {
    fc.assert(
      fc.property(anyObservation, (o) => {
        const { action } = decideVm(o)
        if (action?.kind !== 'write' || action.patch.run !== null) return
        expect([o.domain, o.isCreateOutstanding, o.qemuPid, o.permit]).toEqual([undefined, false, undefined, undefined])
        expect(o.status?.run).toEqual(MINE.run)
      }),
      { numRuns: 3000 },
    )
  })

  it('takes a record only from nobody or from an own dead life', () => {
    fc.assert(
      fc.property(anyObservation, (o) => {
        const { action } = decideVm(o)
        if (action?.kind !== 'write' || !action.patch.run) return
        expect([null, OLD_LIFE]).toContain(o.status?.run?.life ?? null)
        expect(o.status?.run?.node ?? SELF).toBe(SELF)
        expect(action.patch.run).toEqual(MINE.run)
      }),
      { numRuns: 3000 },
    )
  })

  it('never writes the same news twice', () => {
    fc.assert(
      fc.property(anyObservation, (o) => {
        const { action, memory: next } = decideVm(o)
        if (action?.kind !== 'write' || o.status === undefined) return
        const after = decideVm({ ...o, memory: next, status: applyPatch(o.status, action.patch, o.wallMs) })
        expect(after.action).not.toEqual(action)
      }),
      { numRuns: 3000 },
    )
  })
})
