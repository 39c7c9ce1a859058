import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decideFence } from '../../../src/fence/decide.ts'
import type { FenceView } from '../../../src/fence/view.ts'
import { CLOSED_JOURNAL, type Evidence } from '../../../src/model/fence.ts'
import { BootId, LifeId } from '../../../src/model/ids.ts'
import { NodeStatus } from '../../../src/model/node.ts'
import { nodeFacts } from '../model/placement-world.ts'
import { name } from './documents.ts'

const life = fc.constantFrom('l1', 'l2', 'l3').map((text) => LifeId.parse(text))
const boot = fc.constantFrom('b1', 'b2').map((text) => BootId.parse(text))
const evidence: fc.Arbitrary<Evidence> = fc.constantFrom<Evidence>(
  { kind: 'power-off', method: 'ipmi', at: 0 },
  { kind: 'self-fence', waitedMs: 16_000, at: 0 },
  { kind: 'reboot', bootId: BootId.parse('b2'), at: 0 },
  { kind: 'operator', by: 'alice', at: 0 },
)

const status = fc
  .record({
    life,
    bootId: boot,
    daemon: fc.constantFrom('init', 'run', 'shutdown', 'stop', 'fenced'),
    selfFence: fc.constantFrom('armed', 'off'),
    watchdog: fc.constantFrom('present', 'absent'),
    selfFenceBoundS: fc.constantFrom(undefined, 20),
    ack: fc.nat(3),
    storageAddrs: fc.constantFrom([], ['10.0.1.2']),
  })
  .map((change) => NodeStatus.parse({ ...nodeFacts('n2').status, ...change }))

const view: fc.Arbitrary<FenceView> = fc.record({
  self: fc.constantFrom(name('n1'), name('n2')),
  node: fc.constant(name('n2')),
  nowMs: fc.nat(100_000),
  journal: fc
    .record({
      state: fc.constantFrom('closed', 'open', 'evidence', 'recovered'),
      life: fc.option(life),
      bootId: fc.option(boot),
      seq: fc.nat(3),
      orderedBy: fc.constantFrom('', 'alice'),
      evidence: fc.array(evidence, { maxLength: 3 }),
      deadLives: fc.array(life, { maxLength: 2 }),
      addresses: fc.constantFrom<string[]>([], ['10.0.1.2']),
      isPowerOnAsked: fc.boolean(),
    })
    .map((change) => ({ ...CLOSED_JOURNAL, ...change })),
  alive: fc.option(life, { nil: undefined }),
  status: fc.option(status, { nil: undefined }),
  order: fc.option(
    fc.record({
      kind: fc.constantFrom('fence', 'confirm'),
      life,
      seq: fc.nat(3),
      by: fc.constant('alice'),
      at: fc.constant(0),
    }),
    { nil: undefined },
  ),
  recordLives: fc.array(life, { maxLength: 2 }),
  isAwaited: fc.boolean(),
  policy: fc.record({
    isEnabled: fc.boolean(),
    maxNodes: fc.integer({ min: 1, max: 2 }),
    stopGraceMs: fc.constant(120_000),
  }),
  othersFenced: fc.constantFrom([], [name('n3')], [name('n3'), name('n4')]),
  isMaintenance: fc.boolean(),
  hasTarget: fc.boolean(),
  coordinators: fc.constantFrom(
    [],
    [{ node: name('n1'), isCephAway: true }],
    [
      { node: name('n1'), isCephAway: true },
      { node: name('n3'), isCephAway: false },
    ],
  ),
  probe: fc.option(
    fc.constantFrom('answers', 'host-only', 'silent').map((kind) => ({ kind, text: '' })),
    { nil: undefined },
  ),
  storage: fc.record({
    osdEpoch: fc.option(fc.constant(12), { nil: undefined }),
    areOsdsCurrent: fc.boolean(),
    areOwnOsdsDown: fc.boolean(),
    problem: fc.constantFrom('', 'no quorum'),
    failingForMs: fc.constantFrom(0, 19_000, 30_000),
  }),
  power: fc.constantFrom<FenceView['power']>(
    { kind: 'none' },
    { kind: 'trying' },
    { kind: 'off', method: 'ipmi' },
    { kind: 'no-proof', reason: 'it lies' },
  ),
  listed: fc.constantFrom(undefined, [], ['10.0.1.2:0/0']),
  memory: fc.record({
    goneSinceMs: fc.option(fc.nat(100_000), { nil: undefined }),
    awaitedSinceMs: fc.option(fc.nat(100_000), { nil: undefined }),
    cutOff: fc.option(fc.record({ seq: fc.nat(3), sinceMs: fc.nat(100_000) }), { nil: undefined }),
  }),
})

const check = (property: (v: FenceView) => void) => fc.assert(fc.property(view, property), { numRuns: 2000 })
const actionOf = (v: FenceView) => decideFence(v).action

it('always decides, and always looks again', () => {
  check((v) => {
    const decision = decideFence(v)
    expect(decision.wakeInMs).toBeGreaterThan(0)
    expect(decision).toEqual(decideFence(v))
  })
})

it('never proves a life over without both halves of the proof', () => {
  check((v) => {
    const action = actionOf(v)
    if (action?.kind !== 'prove') return
    const kinds = v.journal.evidence.map(({ kind }) => kind)
    expect(kinds.length).toBeGreaterThan(0)
    if (action.isWithoutCeph) {
      expect(v.storage.osdEpoch).toBeUndefined()
      expect(v.storage.failingForMs).toBeGreaterThanOrEqual(20_000)
      expect(v.coordinators.every(({ node, isCephAway }) => node === v.self || isCephAway)).toBe(true)
      expect(kinds.some((kind) => kind !== 'self-fence')).toBe(true)
    } else {
      expect([v.storage.osdEpoch, v.storage.areOsdsCurrent, v.storage.areOwnOsdsDown]).toEqual([12, true, true])
    }
  })
})

it('takes nothing for a self-fence that was not armed, had no watchdog, or is not due', () => {
  check((v) => {
    const action = actionOf(v)
    if (action?.kind !== 'note' || action.evidence.kind !== 'self-fence') return
    const { selfFence, watchdog, life: last } = v.status ?? {}
    expect([selfFence, watchdog, last]).toEqual(['armed', 'present', v.journal.life])
    expect(v.memory.cutOff?.seq).toBe(v.journal.seq)
    expect(v.nowMs - (v.memory.cutOff?.sinceMs ?? v.nowMs)).toBeGreaterThanOrEqual(16_000)
  })
})

it('never opens a journal of itself, of a living node that nobody ordered to be fenced, or during maintenance', () => {
  check((v) => {
    const action = actionOf(v)
    if (action?.kind !== 'open') return
    if (v.journal.state === 'closed') expect(v.node).not.toBe(v.self)
    expect(v.isMaintenance).toBe(false)
    if (action.by === '') expect(v.alive).toBeUndefined()
  })
})

it('takes an opening back only while nothing irreversible was done', () => {
  check((v) => {
    if (actionOf(v)?.kind === 'take-back') expect([v.journal.state, v.journal.addresses]).toEqual(['open', []])
  })
})

it('lets a node back in only when it has acknowledged this very opening and is shut out no more', () => {
  check((v) => {
    if (actionOf(v)?.kind !== 'close') return
    expect(v.alive).toBeDefined()
    expect(v.status?.ack).toBe(v.journal.seq)
    expect(v.listed).toEqual([])
    expect(['evidence', 'recovered']).toContain(v.journal.state)
  })
})

it('works on the storage of nobody before that was written down', () => {
  check((v) => {
    const { work } = decideFence(v)
    if (
      v.journal.state === 'open' &&
      work.some((each) => each === 'storage' || each === 'power' || each === 'osd-down')
    )
      expect(v.journal.addresses.length).toBeGreaterThan(0)
  })
})
