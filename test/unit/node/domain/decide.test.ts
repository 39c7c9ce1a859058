import { describe, expect, it } from 'vitest'
import type { VmAction } from '../../../../src/node/domain/action.ts'
import { decideVm } from '../../../../src/node/domain/decide.ts'
import type { VmObservation } from '../../../../src/node/domain/observation.ts'
import { rememberOutcome } from '../../../../src/node/domain/patch.ts'
import { LIFE, MINE, memory, OLD_LIFE, OTHER, observation, RUNNING, SELF, spec, status, UUID } from './fixtures.ts'

const off = spec({ power: 'off' })
const tombstone = { uuid: UUID, deleted: { at: 1, lastSeq: 4, generation: 3 } }
const startingMine = status({ ...MINE, phase: 'starting' })
const runningMine = status({ ...MINE, phase: 'running', startedGeneration: 3 })
const stoppingMine = status({ ...MINE, phase: 'stopping', startedGeneration: 3 })
const permit = { life: LIFE, seq: 4 }

/** The action as one word, with what a write is for. */
function word(action: VmAction | undefined): string {
  if (action === undefined) return 'nothing'
  return action.kind === 'write' ? `write ${action.why}` : action.kind
}

const rows: readonly (readonly [name: string, change: Partial<VmObservation>, expected: string])[] = [
  ['wanted on, record empty: takes it', {}, 'write taken'],
  ['wanted on elsewhere: leaves it', { spec: spec({ node: OTHER }) }, 'nothing'],
  ['wanted on but held for an import: leaves it', { spec: spec({ hold: 'import' }) }, 'nothing'],
  ['wanted off and said so: nothing', { spec: off }, 'nothing'],
  ['new generation of an off VM: says it was seen', { spec: spec({ power: 'off', generation: 4 }) }, 'write off'],
  [
    'record of another node: leaves it',
    { status: status({ run: { node: OTHER, life: LIFE, holder: null } }) },
    'nothing',
  ],
  [
    'record of another node, own permit left: revokes',
    { status: status({ run: { node: OTHER, life: LIFE, holder: null } }), permit },
    'revoke-permit',
  ],
  ['record of a job: leaves it', { status: status({ run: { node: SELF, life: LIFE, holder: 'job-1' } }) }, 'nothing'],
  [
    'record of an own dead life: re-takes',
    { status: status({ run: { node: SELF, life: OLD_LIFE, holder: null } }) },
    'write taken',
  ],
  [
    'record of an own dead life, QEMU still there: waits',
    { status: status({ run: { node: SELF, life: OLD_LIFE, holder: null } }), qemuPid: 7 },
    'nothing',
  ],
  ['record mine, no domain: starts', { status: startingMine }, 'start'],
  ['record mine, create in flight: waits', { status: startingMine, isCreateOutstanding: true, permit }, 'nothing'],
  [
    'record mine, create in flight, no longer wanted: closes the door',
    { spec: off, status: startingMine, isCreateOutstanding: true, permit },
    'revoke-permit',
  ],
  ['record mine, QEMU without domain: waits', { status: runningMine, qemuPid: 7 }, 'nothing'],
  ['domain runs, not yet said: says so', { status: startingMine, domain: RUNNING }, 'write running'],
  [
    'domain still starting: waits',
    { status: startingMine, domain: { ...RUNNING, isPaused: true, isStarting: true }, permit },
    'nothing',
  ],
  [
    'domain still starting, no longer wanted: destroys',
    { spec: off, status: startingMine, domain: { ...RUNNING, isPaused: true, isStarting: true } },
    'destroy',
  ],
  ['domain runs and said: nothing', { status: runningMine, domain: RUNNING }, 'nothing'],
  ['domain ended while wanted: says so first', { status: runningMine }, 'write starting again'],
  [
    'domain runs, wanted off: says stopping first',
    { spec: off, status: runningMine, domain: RUNNING },
    'write stopping',
  ],
  ['stopping: presses the button', { spec: off, status: stoppingMine, domain: RUNNING }, 'shutdown'],
  [
    'restart wished: stops in an orderly way',
    { spec: spec({ wishes: { start: 1, restart: 1, stopNow: 0 } }), status: stoppingMine, domain: RUNNING },
    'shutdown',
  ],
  [
    'immediate stop wished: destroys',
    {
      spec: spec({ power: 'off', wishes: { start: 1, restart: 0, stopNow: 1 } }),
      status: runningMine,
      domain: RUNNING,
    },
    'destroy',
  ],
  ['deleted while running: destroys', { spec: tombstone, status: runningMine, domain: RUNNING }, 'destroy'],
  ['stopped, permit left: revokes before release', { spec: off, status: stoppingMine, permit }, 'revoke-permit'],
  ['stopped: releases', { spec: off, status: stoppingMine }, 'write released'],
  ['moved away while off here: releases', { spec: spec({ node: OTHER }), status: stoppingMine }, 'write released'],
  [
    'domain with the mark of another seq: foreign',
    { status: runningMine, domain: { ...RUNNING, mark: { life: LIFE, seq: 3 } } },
    'destroy-foreign',
  ],
  ['domain while nobody holds the record: foreign', { domain: RUNNING }, 'destroy-foreign'],
  [
    'domain of a VM that another node holds: foreign',
    { status: status({ run: { node: OTHER, life: LIFE, holder: null } }), domain: RUNNING },
    'destroy-foreign',
  ],
  [
    'unmarked domain of an unknown VM: left alone',
    { spec: undefined, status: undefined, domain: { ...RUNNING, mark: undefined } },
    'nothing',
  ],
  [
    'marked domain of an unknown VM: foreign',
    { spec: undefined, status: undefined, domain: RUNNING },
    'destroy-foreign',
  ],
  ['leftover definition: undefines', { domain: { ...RUNNING, isActive: false } }, 'undefine'],
  [
    'inactive domain while a create is in flight: waits',
    { status: startingMine, domain: { ...RUNNING, isActive: false }, isCreateOutstanding: true },
    'nothing',
  ],
  ['store went backwards: nothing at all', { isSeqTrusted: false, domain: { ...RUNNING, mark: undefined } }, 'nothing'],
  ['failed and unchanged: stays failed', { status: status({ phase: 'failed', failedReason: 'x' }) }, 'nothing'],
  [
    'failed, then vm start: takes again',
    { spec: spec({ wishes: { start: 2, restart: 0, stopNow: 0 } }), status: status({ phase: 'failed' }) },
    'write taken',
  ],
  [
    'failed, then a new generation: takes again',
    { spec: spec({ generation: 4 }), status: status({ phase: 'failed' }) },
    'write taken',
  ],
  ['failed, then wanted off: says off', { spec: off, status: status({ phase: 'failed' }) }, 'write off'],
  ['no status document: nothing', { status: undefined }, 'nothing'],
  [
    'unclean end, wanted off: cleans the volumes before release',
    { spec: off, status: stoppingMine, memory: memory({ isExitUnclean: true }, off) },
    'clean-volumes',
  ],
]

describe('decideVm', () => {
  it.each(rows)('%s', (_name, change, expected) => {
    const o = observation(change)
    expect(word(decideVm({ ...o, memory: change.memory ?? seen(o) }).action)).toBe(expected)
  })

  it('destroys a guest that ignores the button when its time is over', () => {
    const shutdown = { askedAtMs: 0, pressedAtMs: 179_000 }
    const before = observation({
      spec: off,
      status: stoppingMine,
      domain: RUNNING,
      nowMs: 179_999,
      memory: memory({ shutdown }, off),
    })
    expect(decideVm(before).action).toBeUndefined()
    expect(decideVm(before).wakeInMs).toBe(1)
    expect(word(decideVm({ ...before, nowMs: 180_000 }).action)).toBe('destroy')
  })

  it.each([
    ['was destroyed, because it ignored the button', { stopNow: 0, shutdown: { askedAtMs: 0, pressedAtMs: 179_000 } }],
    ['was stopped at once after it had been asked', { stopNow: 1, shutdown: { askedAtMs: 0, pressedAtMs: 0 } }],
  ])('cleans the volumes of a guest that %s', (_name, { stopNow, shutdown }) => {
    const wanted = spec({ power: 'off', wishes: { start: 1, restart: 0, stopNow } })
    const asked = memory({ shutdown, isExitUnclean: true }, wanted)
    const o = observation({ spec: wanted, status: stoppingMine, domain: RUNNING, nowMs: 180_000, memory: asked })
    const first = decideVm(o)
    expect(word(first.action)).toBe('destroy')
    expect(word(decideVm({ ...o, domain: undefined, memory: first.memory }).action)).toBe('clean-volumes')
  })

  it('presses the button again, because a booting guest may have missed it', () => {
    const shutdown = { askedAtMs: 0, pressedAtMs: 0 }
    const o = observation({
      spec: off,
      status: stoppingMine,
      domain: RUNNING,
      nowMs: 5000,
      memory: memory({ shutdown }, off),
    })
    expect(word(decideVm(o).action)).toBe('shutdown')
  })

  it('starts a crashed guest at once, then after 1, 2, 4 s, and gives up after 8 starts', () => {
    const waits: (number | string)[] = []
    let o = observation({ status: startingMine, nowMs: 0 })
    for (let round = 0; round < 20; round += 1) {
      const decision = decideVm(o)
      waits.push(decision.action === undefined ? (decision.wakeInMs ?? -1) : word(decision.action))
      const nowMs = o.nowMs + (decision.action === undefined ? (decision.wakeInMs ?? 0) : 0)
      const { action, memory: after } = decision
      o = { ...o, nowMs, memory: action === undefined ? after : rememberOutcome(after, action, { kind: 'done' }) }
      if (word(decision.action) === 'write failed') break
    }
    expect(waits).toEqual([
      'start',
      'start',
      1000,
      'start',
      2000,
      'start',
      4000,
      'start',
      8000,
      'start',
      16_000,
      'start',
      32_000,
      'start',
      'write failed',
    ]) // prettier-ignore
  })

  it('never gives up a start that does not come about: it waits up to a minute between tries, and says for what', () => {
    const reason = 'Ceph does not answer'
    let o = observation({ status: { ...startingMine, failedReason: reason }, nowMs: 0 })
    const waits: number[] = []
    for (let round = 0; round < 60; round += 1) {
      const { action, wakeInMs, memory: after, problems } = decideVm(o)
      expect(['start', 'nothing']).toContain(word(action))
      expect(problems.map(({ id }) => id)).toEqual(o.memory.tries.times < 2 ? [] : ['VM_START_WAITS'])
      if (action === undefined) waits.push(wakeInMs ?? -1)
      const remembered = action ? rememberOutcome(after, action, { kind: 'retryable', reason }) : after
      o = { ...o, nowMs: o.nowMs + (action ? 0 : (wakeInMs ?? 0)), memory: remembered }
    }
    expect(waits.slice(0, 8)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
    expect(o.nowMs).toBeGreaterThan(1_000_000)
  })

  it('counts a start whose call was given up and which came about all the same', () => {
    const tries = { times: 2, latestAtMs: 7000 }
    const failure = { reason: 'libvirt does not answer', isFinal: false }
    const o = observation({ status: startingMine, domain: RUNNING, memory: memory({ tries, failure }) })
    expect(decideVm(o).memory).toMatchObject({ startsAtMs: [7000], tries: { times: 0 }, failure: undefined })
  })

  it('tells why a start failed before it waits', () => {
    const failure = { reason: 'no such bridge', isFinal: false }
    const decision = decideVm(observation({ status: startingMine, memory: memory({ failure }) }))
    expect(decision.action).toMatchObject({ kind: 'write', patch: { failedReason: 'no such bridge' } })
  })

  it('gives up at once when trying again cannot help, with the reason', () => {
    const failure = { reason: 'locked by client.7', isFinal: true }
    const decision = decideVm(observation({ status: startingMine, memory: memory({ failure }) }))
    expect(decision.action).toMatchObject({
      kind: 'write',
      patch: { run: null, phase: 'failed', failedReason: 'locked by client.7' },
    })
  })

  it('kills a QEMU that libvirt has lost only after half a minute', () => {
    const o = observation({ status: runningMine, qemuPid: 7 })
    const first = decideVm(o)
    expect(word(first.action)).toBe('nothing')
    expect(word(decideVm({ ...o, memory: first.memory, nowMs: o.nowMs + 29_999 }).action)).toBe('nothing')
    expect(word(decideVm({ ...o, memory: first.memory, nowMs: o.nowMs + 30_000 }).action)).toBe('kill-orphan')
  })

  it('leaves an arriving copy alone, and only while its migration is still on', () => {
    const ends = { from: { node: OTHER, life: LIFE }, to: { node: SELF, life: LIFE } }
    const migration = { id: 'm1', ...ends, method: 'live', step: 'copy', startedAt: 0, progress: null } as const
    const domain = { ...RUNNING, mark: undefined, migrationId: 'm1' }
    const run = { node: OTHER, life: LIFE, holder: null }
    expect(word(decideVm(observation({ status: status({ run, migration }), domain })).action)).toBe('nothing')
    const other = { ...migration, id: 'm2' }
    expect(word(decideVm(observation({ status: status({ run, migration: other }), domain })).action)).toBe(
      'destroy-foreign',
    )
  })

  it('does not look for watches of a dead client when it takes the record from nobody', () => {
    const taken = decideVm(observation({ memory: memory({ isExitUnclean: true }) }))
    expect(taken.memory.isExitUnclean).toBe(false)
    const reTaken = decideVm(
      observation({
        status: status({ run: { node: SELF, life: OLD_LIFE, holder: null } }),
        memory: memory({ isExitUnclean: true }),
      }),
    )
    expect(reTaken.memory.isExitUnclean).toBe(true)
  })

  it('keeps the generation that was really started', () => {
    const o = observation({ spec: spec({ generation: 9 }), status: startingMine, domain: RUNNING })
    const decision = decideVm({ ...o, memory: memory({ startedGeneration: 3 }, spec({ generation: 9 })) })
    expect(decision.action).toMatchObject({ patch: { startedGeneration: 3, observedGeneration: 9 } })
  })
})

/** The memory of a loop that has seen the wish already. */
function seen(o: VmObservation) {
  return o.spec !== undefined && o.spec.deleted === undefined ? memory({}, o.spec) : memory({ wishKey: '' })
}
