import { describe, expect, it } from 'vitest'
import type { Migration, VmArrival } from '../../../../src/model/domain.ts'
import type { VmAction } from '../../../../src/node/domain/action.ts'
import { decideVm } from '../../../../src/node/domain/decide.ts'
import type { MoveObservation, VmObservation } from '../../../../src/node/domain/observation.ts'
import { LIFE, MINE, memory, NO_MOVE, OLD_LIFE, OTHER, observation, RUNNING, SELF, spec, status } from './fixtures.ts'

const ORDER = { id: 'm1', kind: 'migrate', isLiveOnly: false, policy: {} } as const
const leaving = spec({ node: OTHER, lastNode: SELF, move: ORDER })
const liveOnly = spec({ node: OTHER, move: { ...ORDER, isLiveOnly: true } })
const permit = { life: LIFE, seq: 4 }
const UP = { life: LIFE, isUp: true }
const DOWN = { life: LIFE, isUp: false }
const OUT: Migration = {
  id: 'm1',
  from: { node: SELF, life: LIFE },
  to: { node: OTHER, life: LIFE },
  step: 'prepare',
  startedAt: 0,
  progress: null,
}
const COPY: Migration = { ...OUT, step: 'copy' }
const SWITCHED = { ...RUNNING, isPaused: true, isSwitched: true, reason: 'migration' }
const JOB = { percent: 50, remainingMiB: 1, totalMiB: 2, dirtyMiBps: 0, speedMiBps: 1, expectedS: 1 }

function said(state: VmArrival['state'], migrationId = 'm1'): VmArrival {
  return { migrationId, node: OTHER, life: LIFE, state, reason: state === 'refused' ? 'no such bridge' : '' }
}

function source(
  migration: Migration | null,
  change: Partial<MoveObservation>,
  rest: Partial<VmObservation> = {},
): VmObservation {
  const wanted = rest.spec ?? leaving
  return observation({
    spec: wanted,
    status: status({ ...MINE, phase: 'migrating', startedGeneration: 3, migration }),
    domain: RUNNING,
    permit,
    move: { ...NO_MOVE, target: UP, ...change },
    memory: memory({}, wanted.deleted === undefined ? wanted : leaving),
    ...rest,
  })
}

function word(action: VmAction | undefined): string {
  if (action === undefined) return 'nothing'
  return action.kind === 'write' ? `write ${action.why}` : action.kind
}

const returned = (error?: string) => ({ id: 'm1', state: 'returned', error }) as const
const copying = { id: 'm1', state: 'running', error: undefined } as const

const sourceRows: readonly (readonly [name: string, o: VmObservation, expected: string])[] = [
  ['placed elsewhere: begins', source(null, {}), 'write a move begins'],
  ['placed elsewhere, target down: fails', source(null, { target: DOWN }), 'write the move failed'],
  ['placed elsewhere, target never seen: fails', source(null, { target: undefined }), 'write the move failed'],
  ['target silent yet: waits', source(OUT, {}), 'nothing'],
  ['target speaks of an older migration: waits', source(OUT, { arrival: said('prepared', 'm0') }), 'nothing'],
  ['target ready: says so', source(OUT, { arrival: said('prepared') }), 'write the target is ready'],
  ['target speaks of an earlier try: waits', source(OUT, { arrival: said('gone') }), 'nothing'],
  ['target refuses: fails', source(OUT, { arrival: said('refused') }), 'write the move failed'],
  ['target began a new life: fails', source(OUT, { target: { life: OLD_LIFE, isUp: true } }), 'write the move failed'],
  ['target ready and nothing copied yet: copies', source(COPY, { arrival: said('prepared') }), 'copy'],
  ['copy under way by our call: waits', source(COPY, { copyCall: copying }), 'nothing'],
  ['copy under way by a call of an earlier daemon: publishes', source(COPY, { job: JOB }), 'write progress'],
  [
    'call of an older migration does not count: copies',
    source(COPY, { copyCall: { ...returned(), id: 'm0' } }),
    'copy',
  ],
  [
    'call returned and the guest runs here: fails',
    source(COPY, { copyCall: returned('no route') }),
    'write the move failed',
  ],
  [
    'complete there but running here, no call known: fails',
    source(COPY, { arrival: said('complete') }),
    'write the move failed',
  ],
  [
    'switched, copy not complete: waits',
    source(COPY, { copyCall: copying, arrival: said('prepared') }, { domain: SWITCHED, qemuPid: 7 }),
    'nothing',
  ],
  [
    'switched and complete: ends its own QEMU',
    source(COPY, { arrival: said('complete') }, { domain: SWITCHED, qemuPid: 7 }),
    'end-source',
  ],
  [
    'switched and complete, QEMU gone, permit left: revokes',
    source(COPY, { arrival: said('complete') }, { domain: SWITCHED }),
    'revoke-permit',
  ],
  [
    'switched and complete, QEMU gone: hands over, whatever libvirt lists',
    source(COPY, { arrival: said('complete') }, { domain: SWITCHED, permit: undefined }),
    'write handed over',
  ],
  [
    'complete, but libvirt had resumed the guest: never hands over',
    source(COPY, { arrival: said('complete'), isResumedSinceSwitch: true }, { domain: SWITCHED, permit: undefined }),
    'nothing',
  ],
  [
    'domain gone and complete: hands over',
    source(COPY, { arrival: said('complete'), copyCall: copying }, { domain: undefined, permit: undefined }),
    'write handed over',
  ],
  [
    'domain gone and complete, copied without this daemon, ended by libvirt for it: hands over',
    source(COPY, { arrival: said('complete'), isMigratedAway: true }, { domain: undefined, permit: undefined }),
    'write handed over',
  ],
  [
    'domain gone and complete, copied without this daemon, perhaps let run on since: starts cold',
    source(COPY, { arrival: said('complete') }, { domain: undefined, permit: undefined }),
    'write the guest ended while it was moved',
  ],
  [
    'domain gone, target has not said what it has: waits',
    source(COPY, { arrival: said('prepared'), copyCall: copying }, { domain: undefined, permit: undefined }),
    'nothing',
  ],
  [
    'domain gone, the copy failed: starts cold',
    source(COPY, { arrival: said('prepared'), copyCall: returned('lost') }, { domain: undefined, permit: undefined }),
    'write the guest ended while it was moved',
  ],
  [
    'domain gone before anything was copied: starts cold',
    source(OUT, { arrival: said('prepared') }, { domain: undefined, permit: undefined }),
    'write the guest ended while it was moved',
  ],
  [
    'domain gone after it was resumed: starts cold',
    source(
      COPY,
      { arrival: said('complete'), copyCall: copying, isResumedSinceSwitch: true },
      { domain: undefined, permit: undefined },
    ),
    'write the guest ended while it was moved',
  ],
  [
    'domain gone but QEMU there: waits',
    source(COPY, { arrival: said('complete') }, { domain: undefined, qemuPid: 7, permit: undefined }),
    'nothing',
  ],
  ['called off while copying: aborts', source(COPY, { job: JOB, target: undefined }, { spec: spec() }), 'abort-copy'],
  [
    'called off, copy over: forgets the migration',
    source(COPY, { copyCall: returned(), target: undefined }, { spec: spec() }),
    'write the move was called off',
  ],
  [
    'called off too late: waits for the end',
    source(COPY, { job: JOB }, { spec: spec(), domain: SWITCHED, qemuPid: 7 }),
    'nothing',
  ],
  ['another order: the copy of the first is aborted', source({ ...COPY, id: 'm0' }, { job: JOB }), 'abort-copy'],
  [
    'moved with method shutdown: stops here',
    source(
      null,
      {},
      { spec: spec({ node: OTHER, move: ORDER, meta: { ...leaving.meta, migrationMethod: 'shutdown' } }) },
    ),
    'write stopping',
  ],
  [
    'handed over, libvirt still lists the dead source: waits',
    source(
      null,
      {},
      {
        status: status({ run: { node: OTHER, life: LIFE, holder: null }, seq: 5 }),
        domain: SWITCHED,
        permit: undefined,
      },
    ),
    'nothing',
  ],
]

describe('the source of a move', () => {
  it.each(sourceRows)('%s', (_name, o, expected) => expect(word(decideVm(o).action)).toBe(expected))

  it('hands the record over with a higher seq to the life that made ready', () => {
    const o = source(COPY, { arrival: said('complete') }, { domain: SWITCHED, permit: undefined })
    expect(decideVm(o).action).toMatchObject({
      patch: { run: { node: OTHER, life: LIFE, holder: null }, migration: null, handedOver: 'm1' },
    })
  })

  it('shuts down for a failed live move only where that is allowed and the target is up', () => {
    const final = (o: VmObservation) => {
      const { action } = decideVm(o)
      return action?.kind === 'write' ? action.patch.moveFailure?.isFinal : undefined
    }
    const failed = { copyCall: returned('no route') }
    expect(final(source(COPY, failed))).toBe(false)
    expect(final(source(COPY, failed, { spec: liveOnly }))).toBe(true)
    expect(final(source(COPY, { ...failed, target: DOWN }))).toBe(true)
    const live = spec({ node: OTHER, move: ORDER, meta: { ...leaving.meta, migrationMethod: 'live' } })
    expect(final(source(COPY, failed, { spec: live }))).toBe(true)
  })

  it('gives the target 15 s to make ready', () => {
    const o = source(OUT, {})
    const first = decideVm(o)
    const at = (ms: number) => word(decideVm({ ...o, memory: first.memory, nowMs: o.nowMs + ms }).action)
    expect([at(14_999), at(15_000)]).toEqual(['nothing', 'write the move failed'])
  })

  it('gives the target 10 s to say that it has the copy of a guest that is gone here', () => {
    const o = source(
      COPY,
      { arrival: said('prepared'), isMigratedAway: true },
      { domain: undefined, permit: undefined },
    )
    const first = decideVm(o)
    const at = (ms: number) => word(decideVm({ ...o, memory: first.memory, nowMs: o.nowMs + ms }).action)
    expect([at(9999), at(10_000)]).toEqual(['nothing', 'write the guest ended while it was moved'])
    const late = { ...o, memory: first.memory, nowMs: o.nowMs + 5000, move: { ...o.move, arrival: said('complete') } }
    expect(word(decideVm(late).action)).toBe('write handed over')
  })

  it('lets a guest run on that libvirt left paused without a complete copy', () => {
    const o = source(COPY, { copyCall: returned('lost'), arrival: said('prepared') }, { domain: SWITCHED, qemuPid: 7 })
    const first = decideVm(o)
    const at = (ms: number) => word(decideVm({ ...o, memory: first.memory, nowMs: o.nowMs + ms }).action)
    expect([at(9999), at(10_000)]).toEqual(['nothing', 'resume'])
  })
})
