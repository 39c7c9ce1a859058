import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decideSelfFence,
  type FenceSettings,
  type SeenGuard,
  type SelfFenceSnapshot,
  selfFenceProblems,
} from '../../../../src/node/self-fence/decide.ts'

const settings: FenceSettings = {
  boundMs: 9000,
  killMs: 2000,
  watchdog: { device: '/dev/watchdog', timeoutS: 10 },
}
const older: FenceSettings = { ...settings, boundMs: 7000 }

const unarmed: SeenGuard = {
  isRunning: true,
  isArmed: false,
  baseMs: 0,
  latch: 0,
  clearedLatch: 0,
  isKillVerified: false,
  settings: undefined,
  watchdog: { kind: 'absent', reason: 'it is opened only while the guard is armed' },
}
const armed: SeenGuard = {
  ...unarmed,
  isArmed: true,
  baseMs: 50_000,
  settings,
  watchdog: { kind: 'present', timeoutMs: 10_000 },
}

function snapshot(change: Partial<SelfFenceSnapshot>): SelfFenceSnapshot {
  return {
    wanted: 'armed',
    settings,
    resetMs: 1000,
    guard: armed,
    contactMs: 60_000,
    published: undefined,
    clearedLatch: 0,
    ...change,
  }
}

const ARM = { isArmed: true, baseMs: 60_000, clearedLatch: 0, settings }

describe('what the guard is told', () => {
  it.each<[string, Partial<SelfFenceSnapshot>, ReturnType<typeof decideSelfFence>['order']]>([
    ['armed at the first contact', { guard: unarmed }, ARM],
    ['told of every contact', {}, ARM],
    ['never told of a contact older than its own', { contactMs: 40_000 }, { ...ARM, baseMs: 50_000 }],
    ['left alone by a daemon without a contact', { contactMs: undefined }, undefined],
    ['left alone while nothing is known and it is not armed', { wanted: undefined, guard: unarmed }, undefined],
    ['kept while nothing is known yet', { wanted: undefined }, ARM],
    ['not disarmed before "off" is acknowledged', { wanted: 'off', published: 'armed' }, ARM],
    ['nor while it is not certain what is published', { wanted: 'off', published: undefined }, ARM],
    ['disarmed when it is', { wanted: 'off', published: 'off' }, { ...ARM, isArmed: false }],
    [
      'disarmed also without a contact',
      { wanted: 'off', published: 'off', contactMs: undefined },
      { ...ARM, isArmed: false, baseMs: 50_000 },
    ],
    [
      'kept at its settings while the cluster counts on them',
      { guard: { ...armed, settings: older }, published: 'armed' },
      { ...ARM, settings: older },
    ],
    ['given new settings when it does not', { guard: { ...armed, settings: older }, published: 'off' }, ARM],
    ['told of a cleared latch', { guard: { ...armed, latch: 3 }, clearedLatch: 3 }, { ...ARM, clearedLatch: 3 }],
  ])('%s', (_, change, order) => {
    expect(decideSelfFence(snapshot(change)).order).toEqual(order)
  })
})

describe('what is published', () => {
  const off = (watchdog: 'present' | 'absent') => ({ selfFence: 'off', watchdog, selfFenceBoundS: undefined })
  it.each<[string, Partial<SelfFenceSnapshot>, object]>([
    ['armed, with the latest moment of a guest', {}, { selfFence: 'armed', watchdog: 'present', selfFenceBoundS: 20 }],
    [
      'armed by the daemon before',
      { wanted: undefined },
      { selfFence: 'armed', watchdog: 'present', selfFenceBoundS: 20 },
    ],
    [
      'armed without a watchdog: no such moment',
      { guard: { ...armed, watchdog: { kind: 'absent', reason: '' } } },
      { selfFence: 'armed', watchdog: 'absent', selfFenceBoundS: undefined },
    ],
    [
      'a kill that takes longer than the watchdog',
      { guard: { ...armed, settings: { ...settings, killMs: 15_000 } }, settings: { ...settings, killMs: 15_000 } },
      { selfFence: 'armed', watchdog: 'present', selfFenceBoundS: 24 },
    ],
    ['off before the guard is armed', { guard: unarmed }, off('absent')],
    ['off when the guard died', { guard: { ...armed, isRunning: false } }, off('present')],
    ['off while it has other settings', { guard: { ...armed, settings: older } }, off('present')],
    ['off as soon as it is wanted', { wanted: 'off' }, off('present')],
  ])('%s', (_, change, status) => {
    expect(decideSelfFence(snapshot(change)).status).toEqual(status)
  })
})

describe('the rule above all', () => {
  const guard = fc.record({
    isRunning: fc.boolean(),
    isArmed: fc.boolean(),
    baseMs: fc.nat(100_000),
    latch: fc.nat(3),
    clearedLatch: fc.nat(3),
    isKillVerified: fc.boolean(),
    settings: fc.constantFrom(undefined, settings, older),
    watchdog: fc.constantFrom(unarmed.watchdog, armed.watchdog),
  })
  const any = fc.record({
    wanted: fc.constantFrom('armed', 'off', undefined),
    settings: fc.constant(settings),
    resetMs: fc.constant(1000),
    guard,
    contactMs: fc.option(fc.nat(100_000), { nil: undefined }),
    published: fc.constantFrom('armed', 'off', undefined),
    clearedLatch: fc.nat(3),
  })

  it('"armed" is said only of an armed guard, which is disarmed or changed only when "off" stands', () => {
    fc.assert(
      fc.property(any, (each) => {
        const { status, order } = decideSelfFence(each)
        if (status.selfFence === 'armed') expect(each.guard).toMatchObject({ isArmed: true, isRunning: true })
        if (each.guard.isArmed && each.published !== 'off' && order !== undefined) {
          expect(order.isArmed).toBe(true)
          if (each.guard.settings !== undefined) expect(order.settings).toEqual(each.guard.settings)
        }
        if (order !== undefined) expect(order.baseMs).toBeGreaterThanOrEqual(each.guard.baseMs)
      }),
    )
  })
})

describe('faults of the guard', () => {
  it.each<[string, Partial<SelfFenceSnapshot>, readonly string[]]>([
    ['none when all is well', {}, []],
    ['none of a guard that is not wanted', { wanted: 'off', guard: { ...unarmed, isRunning: false } }, []],
    ['the guard does not run', { guard: { ...armed, isRunning: false } }, ['guardNotRunning']],
    ['no watchdog', { guard: { ...armed, watchdog: { kind: 'absent', reason: 'x' } } }, ['watchdogAbsent']],
    ['latched', { guard: { ...armed, latch: 1 } }, ['selfFenced']],
  ])('%s', (_, change, ids) => {
    const problems = Object.entries(selfFenceProblems(snapshot(change))).filter(([, problem]) => problem !== undefined)
    expect(problems.map(([id]) => id)).toEqual(ids)
  })
})
