import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decideElection,
  type ElectionSnapshot,
  FRESH_CONTACT_MS,
  HEAD_START_MS,
  PREPARE_MS,
  STOP_PREPARE_MS,
  YIELD_MS,
} from '../../../src/coordinator/decide.ts'
import type { PrimaryStatus, PrimaryWanted } from '../../../src/model/coordinator.ts'
import { NodeName } from '../../../src/model/ids.ts'

const [A, B, C] = ['a', 'b', 'c'].map((name) => NodeName.parse(name)) as [NodeName, NodeName, NodeName]

const STATUS: PrimaryStatus = {
  epoch: 1,
  node: A,
  maintenanceSeen: 0,
  roles: [],
  faults: [],
  successor: null,
  isRelinquished: false,
  wishSeen: 0,
  wishProblem: '',
}
const able = (node: NodeName, isPrepared = false) => ({ node, isAble: true, isPrepared })
const wanted = (over: Partial<PrimaryWanted> = {}): PrimaryWanted => ({
  node: null,
  not: null,
  wish: 1,
  by: 'x',
  ...over,
})

function snapshot(over: Partial<ElectionSnapshot> = {}): ElectionSnapshot {
  return {
    self: A,
    nowMs: 10_000,
    isAble: true,
    isStopping: false,
    contactAgeMs: 500,
    lease: undefined,
    absentSinceMs: 10_000,
    reign: 'none',
    wanted: undefined,
    status: undefined,
    others: [able(B), able(C)],
    restUntilMs: 0,
    namedAtMs: undefined,
    ...over,
  }
}
const NAMED_A = { ...STATUS, successor: A }
const HELD = { node: B, isMine: false }
const reigning = (over: Partial<ElectionSnapshot> = {}) =>
  snapshot({ reign: 'reigning', lease: { node: A, isMine: true }, absentSinceMs: undefined, status: STATUS, ...over })

describe('without the lease', () => {
  it.each([
    ['a free lease is taken', {}, { kind: 'take' }],
    ['not by a node that is not certified', { isAble: false }, { kind: 'wait' }],
    [
      'not on a contact so old that the reign would end at once',
      { contactAgeMs: 3000 },
      { kind: 'wait', wakeInMs: 200 },
    ],
    ['not by a daemon that stops', { isStopping: true }, { kind: 'wait' }],
    ['somebody else is primary', { lease: HELD }, { kind: 'wait', reason: 'b is primary' }],
    ['the named successor prepares', { lease: HELD, status: { ...NAMED_A, node: B } }, { kind: 'prepare' }],
    ['unless it cannot', { lease: HELD, isAble: false, status: { ...NAMED_A, node: B } }, { kind: 'wait' }],
    ['or an earlier primary named it', { lease: HELD, status: { ...NAMED_A, node: C } }, { kind: 'wait' }],
    ['the lease of an ended reign is cleared', { lease: { node: A, isMine: true } }, { kind: 'clear' }],
    ['nothing while the last reign ends', { reign: 'ending' as const }, { kind: 'wait' }],
    ['the named successor takes it at once', { status: { ...STATUS, successor: A } }, { kind: 'take' }],
    [
      'others give the successor a head start',
      { status: { ...STATUS, successor: B } },
      { kind: 'wait', wakeInMs: HEAD_START_MS },
    ],
    ['which ends', { status: { ...STATUS, successor: B }, absentSinceMs: 10_000 - HEAD_START_MS }, { kind: 'take' }],
    ['a successor that died has none', { status: { ...STATUS, successor: B }, others: [able(C)] }, { kind: 'take' }],
    ['one told to be secondary yields', { wanted: wanted({ not: A }) }, { kind: 'wait', wakeInMs: YIELD_MS }],
    ['for a time', { wanted: wanted({ not: A }), absentSinceMs: 10_000 - YIELD_MS }, { kind: 'take' }],
    ['and only to somebody', { wanted: wanted({ not: A }), others: [] }, { kind: 'take' }],
    ['one that resigned yields', { restUntilMs: 10_001 }, { kind: 'wait', wakeInMs: YIELD_MS }],
  ])('%s', (_title, over, decision) => {
    expect(decideElection(snapshot(over))).toMatchObject(decision)
  })
})

describe('as primary', () => {
  const order = { wanted: wanted({ node: B }) }
  const named = { ...order, status: { ...STATUS, successor: B }, namedAtMs: 9000 }
  it.each([
    ['nothing to do', {}, { kind: 'wait' }],
    ['not able any more: the lease goes', { isAble: false }, { kind: 'hand-over' }],
    ['an order names its target', order, { kind: 'name-successor', node: B }],
    ['which is waited for', named, { kind: 'wait', wakeInMs: PREPARE_MS - 1000 }],
    ['and gets the work', { ...named, others: [able(B, true)] }, { kind: 'hand-over', wish: 1 }],
    ['or does not get ready', { ...named, namedAtMs: 10_000 - PREPARE_MS }, { kind: 'answer', wish: 1 }],
    ['an order for this node is answered', { wanted: wanted({ node: A }) }, { kind: 'answer', problem: '' }],
    ['so is one that another shall not be it', { wanted: wanted({ not: B }) }, { kind: 'answer', problem: '' }],
    [
      'this one shall not: the first able one is named',
      { wanted: wanted({ not: A }) },
      { kind: 'name-successor', node: B },
    ],
    ['no other one can', { wanted: wanted({ not: A }), others: [] }, { kind: 'answer', wish: 1 }],
    ['an order for no coordinator', { wanted: wanted({ node: B }), others: [able(C)] }, { kind: 'answer', wish: 1 }],
    ['an answered order is over', { ...order, status: { ...STATUS, wishSeen: 1 } }, { kind: 'wait' }],
    [
      'a successor without an order is taken back',
      { status: { ...STATUS, successor: B } },
      { kind: 'name-successor', node: null },
    ],
    ['a stop names a successor', { isStopping: true }, { kind: 'name-successor', node: B }],
    [
      'and waits for it',
      { isStopping: true, status: { ...STATUS, successor: B }, namedAtMs: 10_000 },
      { kind: 'wait', wakeInMs: STOP_PREPARE_MS },
    ],
    [
      'not for long',
      { isStopping: true, status: { ...STATUS, successor: B }, namedAtMs: 10_000 - STOP_PREPARE_MS },
      { kind: 'hand-over' },
    ],
    ['a stop with nobody there', { isStopping: true, others: [] }, { kind: 'hand-over' }],
  ])('%s', (_title, over, decision) => {
    expect(decideElection(reigning(over))).toMatchObject(decision)
  })
})

const node = fc.constantFrom(A, B, C)
const LATEST_MS = 20_000
const time = fc.integer({ min: 0, max: LATEST_MS })
const anySnapshot: fc.Arbitrary<ElectionSnapshot> = fc.record({
  self: fc.constant(A),
  nowMs: time,
  isAble: fc.boolean(),
  isStopping: fc.boolean(),
  lease: fc.option(fc.record({ node, isMine: fc.boolean() }), { nil: undefined }),
  absentSinceMs: fc.option(time, { nil: undefined }),
  contactAgeMs: fc.constantFrom(0, 1000, FRESH_CONTACT_MS, 3000),
  reign: fc.constantFrom('none' as const, 'reigning' as const, 'ending' as const),
  wanted: fc.option(fc.record({ node: fc.option(node), not: fc.option(node), wish: fc.nat(3), by: fc.constant('x') }), {
    nil: undefined,
  }),
  status: fc.option(
    fc.record({ successor: fc.option(node), wishSeen: fc.nat(3) }).map((some) => ({ ...STATUS, ...some })),
    { nil: undefined },
  ),
  others: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()).map(([b, bp, c, cp]) => [
    { node: B, isAble: b, isPrepared: bp },
    { node: C, isAble: c, isPrepared: cp },
  ]),
  restUntilMs: time,
  namedAtMs: fc.option(time, { nil: undefined }),
})

describe('whatever a coordinator sees', () => {
  it('it takes only a free lease, able and without a reign, and waits for a bounded time', () => {
    fc.assert(
      fc.property(anySnapshot, (seen) => {
        const decision = decideElection(seen)
        if (decision.kind === 'take') {
          expect([seen.lease, seen.reign, seen.isAble, seen.isStopping]).toEqual([undefined, 'none', true, false])
          expect(seen.contactAgeMs).toBeLessThanOrEqual(FRESH_CONTACT_MS)
        }
        if (decision.kind === 'wait' && decision.wakeInMs !== undefined)
          expect(decision.wakeInMs).toBeLessThanOrEqual(Math.max(YIELD_MS, seen.nowMs + LATEST_MS + PREPARE_MS))
        if (['name-successor', 'hand-over', 'answer'].includes(decision.kind)) expect(seen.reign).toBe('reigning')
        if (decision.kind === 'name-successor') expect(decision.node).not.toBe(A)
      }),
    )
  })

  it('an able one takes a lease that stays free, at the latest after the longest courtesy', () => {
    fc.assert(
      fc.property(anySnapshot, (seen) => {
        const late = {
          ...seen,
          lease: undefined,
          reign: 'none' as const,
          isAble: true,
          isStopping: false,
          contactAgeMs: 0,
        }
        const absentSinceMs = seen.nowMs - Math.max(HEAD_START_MS, YIELD_MS)
        expect(decideElection({ ...late, absentSinceMs })).toEqual({ kind: 'take' })
      }),
    )
  })

  it('an order is answered or carried out at the latest when the time to prepare is over', () => {
    fc.assert(
      fc.property(anySnapshot, (seen) => {
        const order = seen.wanted
        if (order === undefined || order.wish <= (seen.status?.wishSeen ?? 0)) return
        const late = {
          ...seen,
          reign: 'reigning' as const,
          isAble: true,
          isStopping: false,
          namedAtMs: seen.nowMs - PREPARE_MS,
        }
        const decision = decideElection(late)
        expect(['answer', 'hand-over', 'name-successor']).toContain(decision.kind)
        if (decision.kind === 'name-successor') expect(decision.node).not.toBe(seen.status?.successor)
      }),
    )
  })
})
