import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CLOSED_JOURNAL, type FenceJournal } from '../../../../src/model/fence.ts'
import { BootId, LifeId, VmUuid } from '../../../../src/model/ids.ts'
import {
  decideQuarantine,
  KILL_AFTER_MS,
  PURGE_BOUND_MS,
  TAKE_BACK_MS,
} from '../../../../src/node/quarantine/decide.ts'
import {
  FIRST_MEMORY,
  type OwnBlocklist,
  type QuarantineSnapshot,
  type Remains,
} from '../../../../src/node/quarantine/snapshot.ts'

const life = LifeId.parse('life-1')
const later = LifeId.parse('life-2')
const bootId = BootId.parse('boot-1')
const uuid = VmUuid.parse('aaaaaaaa-0000-4000-8000-000000000001')
const NOW = 1_000_000

const NOTHING: Remains = {
  permits: [],
  incomings: [],
  domains: [],
  creates: [],
  processes: [],
  libvirtProblem: '',
}
const clear: OwnBlocklist = { kind: 'clear' }

function journal(state: FenceJournal['state'], change: Partial<FenceJournal> = {}): FenceJournal {
  const deadLives = state === 'evidence' || state === 'recovered' ? [life] : []
  return { ...CLOSED_JOURNAL, state, seq: 7, life, bootId, deadLives, ...change }
}

/** A node in quarantine on which nothing is left, asked about a recovered journal. */
function snapshot(change: Partial<QuarantineSnapshot> = {}): QuarantineSnapshot {
  return {
    nowMs: NOW,
    life,
    bootId,
    journal: journal('recovered'),
    isHeld: true,
    isByBlocklist: false,
    newLife: undefined,
    ack: 6,
    publishedLife: life,
    remains: NOTHING,
    blocklist: clear,
    wanted: 'ready',
    isAutoReady: false,
    memory: FIRST_MEMORY,
    ...change,
  }
}

function left(change: Partial<Remains>): Remains {
  return { ...NOTHING, ...change }
}

const victim = { uuid, name: 'web', state: 'moved' as const, target: null, reason: '', afterMs: 0 }
const purgedFor = (ageMs: number) => ({ ...FIRST_MEMORY, purgeSinceMs: NOW - ageMs })
const stuck = left({ processes: [{ uuid, pid: 7 }] })

const rows: readonly (readonly [name: string, s: QuarantineSnapshot, expected: string])[] = [
  [
    'just opened: gives the primary time to take it back',
    snapshot({ isHeld: false, journal: journal('open') }),
    'wait',
  ],
  [
    'opened for long: begins',
    snapshot({
      isHeld: false,
      journal: journal('open'),
      memory: { ...FIRST_MEMORY, opened: { seq: 7, sinceMs: NOW - TAKE_BACK_MS } },
    }),
    'begin',
  ],
  [
    'opened anew: time again',
    snapshot({
      isHeld: false,
      journal: journal('open'),
      memory: { ...FIRST_MEMORY, opened: { seq: 6, sinceMs: NOW - TAKE_BACK_MS } },
    }),
    'wait',
  ],
  [
    'opened on order: begins at once',
    snapshot({ isHeld: false, journal: journal('open', { orderedBy: 'joe' }) }),
    'begin',
  ],
  [
    'opened for good: begins at once',
    snapshot({ isHeld: false, journal: journal('open', { addresses: ['10.0.1.1'] }) }),
    'begin',
  ],
  ['evidence: begins at once', snapshot({ isHeld: false, journal: journal('evidence') }), 'begin'],
  [
    'closed, but the life is dead: begins',
    snapshot({ isHeld: false, journal: journal('closed', { deadLives: [life] }) }),
    'begin',
  ],
  [
    'closed and its life not dead: does not begin again',
    snapshot({ isHeld: false, journal: journal('closed') }),
    'wait',
  ],
  ['a permit: purges', snapshot({ remains: left({ permits: [uuid] }) }), 'purge'],
  ['an expected copy: purges', snapshot({ remains: left({ incomings: [uuid] }) }), 'purge'],
  ['a domain: purges', snapshot({ remains: left({ domains: [{ uuid, isActive: true }] }) }), 'purge'],
  ['a create under way: purges', snapshot({ remains: left({ creates: [uuid] }) }), 'purge'],
  ['a process: purges', snapshot({ remains: stuck }), 'purge'],
  ['libvirt does not answer: purges what it can', snapshot({ remains: left({ libvirtProblem: 'no' }) }), 'purge'],
  ['purges while the journal is open', snapshot({ journal: journal('open'), remains: stuck }), 'purge'],
  ['after a while: kills', snapshot({ remains: stuck, memory: purgedFor(KILL_AFTER_MS) }), 'purge and kill'],
  ['past the bound: reboots', snapshot({ remains: stuck, memory: purgedFor(PURGE_BOUND_MS) }), 'reboot'],
  [
    'just asked to reboot: waits',
    snapshot({ remains: stuck, memory: { ...purgedFor(PURGE_BOUND_MS), rebootAtMs: NOW - 1000 } }),
    'wait',
  ],
  [
    'libvirt silent for long in the boot of the fenced life: reboots',
    snapshot({ remains: left({ libvirtProblem: 'no' }), memory: purgedFor(PURGE_BOUND_MS) }),
    'reboot',
  ],
  [
    'libvirt silent for long in another boot: nothing can run, so it only waits',
    snapshot({
      remains: left({ libvirtProblem: 'no' }),
      memory: purgedFor(PURGE_BOUND_MS),
      journal: journal('recovered', { bootId: BootId.parse('boot-0') }),
    }),
    'purge and kill',
  ],
  ['purged, journal open: waits for evidence', snapshot({ journal: journal('open') }), 'wait'],
  ['shut out by Ceph: lifts', snapshot({ blocklist: { kind: 'listed' } }), 'lift'],
  [
    'shut out by Ceph, evidence: lifts',
    snapshot({ journal: journal('evidence'), blocklist: { kind: 'listed' } }),
    'lift',
  ],
  [
    'never lifts while the journal is open',
    snapshot({ journal: journal('open'), blocklist: { kind: 'listed' } }),
    'wait',
  ],
  ['never lifts before it is purged', snapshot({ remains: stuck, blocklist: { kind: 'listed' } }), 'purge'],
  ['Ceph does not answer: acknowledges nothing', snapshot({ blocklist: { kind: 'unknown', reason: 'slow' } }), 'wait'],
  ['let in: acknowledges', snapshot(), 'acknowledge'],
  ['acknowledged: waits for the primary', snapshot({ ack: 7 }), 'wait'],
  ['acknowledged, and shut out again: lifts again', snapshot({ ack: 7, blocklist: { kind: 'listed' } }), 'lift'],
  [
    'VMs were moved away: wants to be flushed first',
    snapshot({ journal: journal('recovered', { victims: [victim] }) }),
    'settle flush',
  ],
  [
    'VMs were moved away, automatic: wants them back',
    snapshot({ journal: journal('recovered', { victims: [victim] }), isAutoReady: true }),
    'settle ready',
  ],
  [
    'VMs were moved away, flushed before: as before',
    snapshot({ journal: journal('recovered', { victims: [victim] }), wanted: 'flush' }),
    'acknowledge',
  ],
  [
    'wants to be flushed only once: an operator may want it ready meanwhile',
    snapshot({ journal: journal('recovered', { victims: [victim] }), memory: { ...FIRST_MEMORY, settledSeq: 7 } }),
    'acknowledge',
  ],
  [
    'VMs are waiting for a place: keeps its state',
    snapshot({ journal: journal('recovered', { victims: [{ ...victim, state: 'waiting' }] }) }),
    'acknowledge',
  ],
  ['closed: a new life', snapshot({ journal: journal('closed', { deadLives: [life] }) }), 'new-life'],
  [
    'closed, victims of long ago: a new life, nothing else',
    snapshot({ isByBlocklist: true, journal: journal('closed', { victims: [victim] }) }),
    'new-life',
  ],
  ['closed and shut out: lifts first', snapshot({ journal: journal('closed'), blocklist: { kind: 'listed' } }), 'lift'],
  [
    'new life not announced yet: takes no other',
    snapshot({ journal: journal('closed', { deadLives: [life] }), newLife: later }),
    'wait',
  ],
  ['new life not published: waits', snapshot({ journal: journal('closed'), life: later, newLife: later }), 'wait'],
  [
    'new life published: leaves',
    snapshot({ journal: journal('closed'), life: later, newLife: later, publishedLife: later }),
    'leave',
  ],
  [
    'new life, fenced again meanwhile: from the beginning',
    snapshot({
      journal: journal('evidence', { seq: 8, deadLives: [life, later] }),
      life: later,
      newLife: later,
      ack: 7,
    }),
    'acknowledge',
  ],
]

function word({ action }: ReturnType<typeof decideQuarantine>): string {
  if (action === undefined) return 'wait'
  if (action.kind === 'purge') return action.isKill ? 'purge and kill' : 'purge'
  return action.kind === 'settle' ? `settle ${action.wanted}` : action.kind
}

describe('quarantine', () => {
  it.each(rows)('%s', (_name, s, expected) => expect(word(decideQuarantine(s))).toBe(expected))

  it('says a step in every case, and looks again', () => {
    for (const [, s] of rows) {
      const { step, wakeInMs } = decideQuarantine(s)
      expect(step).not.toBe('')
      expect(wakeInMs).toBeLessThanOrEqual(TAKE_BACK_MS)
    }
  })

  it('lifts, acknowledges and begins a life only when nothing is left and no fence is open', () => {
    const list = fc.constantFrom([], [uuid])
    const remains = fc.record({
      permits: list,
      incomings: list,
      creates: list,
      domains: fc.constantFrom([], [{ uuid, isActive: true }]),
      processes: fc.constantFrom([], [{ uuid, pid: 7 }]),
      libvirtProblem: fc.constantFrom('', 'no'),
    })
    const state = fc.constantFrom('closed' as const, 'open' as const, 'evidence' as const, 'recovered' as const)
    const blocklist = fc.constantFrom<OwnBlocklist>(clear, { kind: 'listed' }, { kind: 'unknown', reason: 'slow' })
    fc.assert(
      fc.property(remains, state, blocklist, fc.nat(60_000), (remains, state, blocklist, ageMs) => {
        const s = snapshot({ remains, journal: journal(state), blocklist, memory: purgedFor(ageMs) })
        const kind = word(decideQuarantine(s))
        if (!['lift', 'acknowledge', 'new-life', 'settle flush'].includes(kind)) return
        expect(remains).toEqual(NOTHING)
        expect(state).not.toBe('open')
        if (kind !== 'lift') expect(blocklist).toEqual(clear)
      }),
    )
  })
})
