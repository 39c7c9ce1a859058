import { describe, expect, it } from 'vitest'
import { NodeName } from '../../../src/model/ids.ts'
import {
  chooseTarget,
  type MoveFacts,
  type MoveWish,
  moveFacts,
  planMove,
  whereabouts,
  withMove,
  withoutMove,
} from '../../../src/model/move.ts'
import type { VmFacts } from '../../../src/model/placement.ts'
import { away, failed, leaving, order, running } from './move-world.ts'
import { node, vmFacts } from './placement-world.ts'

const hv = (name: string) => NodeName.parse(name)
const FACTS: MoveFacts = {
  arch: 'x86_64',
  isEmulated: false,
  isCpuPassedThrough: false,
  liveObstacles: [],
  networks: [],
}
const LOCAL: MoveFacts = { ...FACTS, liveObstacles: ['the local disk vda (/srv/a.img)'] }

function wish(action: MoveWish['action'], change: Partial<MoveWish> = {}): MoveWish {
  return { id: 'new', action, target: undefined, isForced: false, isLiveOnly: false, policy: {}, ...change }
}

/** Plans and writes, as the API does with a target it need not choose. */
function ordered(vm: VmFacts, asked: MoveWish, facts = FACTS) {
  const plan = planMove(vm, facts, asked)
  const target = plan.target ?? hv('z')
  const { node: to, lastNode, move, generation } = withMove(vm.spec, plan, target, asked)
  return { way: plan.way, node: to, lastNode, move: move?.id ?? null, homeBefore: move?.homeBefore, generation }
}

describe('whereabouts', () => {
  it.each([
    ['off', vmFacts('web', { node: 'a', power: 'off' }), ['a', null, undefined, '']],
    ['running', running(), ['a', null, undefined, '']],
    ['away from home', away(), ['b', 'a', undefined, '']],
    ['leaving its home', leaving(), ['a', null, 'b', '']],
    [
      'going home',
      away({ node: 'a', lastNode: null, spec: { move: order({ kind: 'unmigrate' }) } }),
      ['b', 'a', 'a', ''],
    ],
    ['moving on, home kept', leaving({ homeBefore: hv('h') }, { lastNode: 'h' }), ['a', 'h', 'b', '']],
    [
      'moving for good, home given up',
      leaving({ kind: 'move', homeBefore: hv('h') }, { lastNode: null }),
      ['a', 'h', 'b', ''],
    ],
    ['with a failed order', failed(true), ['a', null, undefined, 'no route']],
    ['with an order that goes on by a shutdown', failed(false), ['a', null, 'b', '']],
    [
      'with a failure of an earlier order',
      leaving({ id: 'newer' }, { status: { moveFailure: { orderId: 'old', reason: 'x', isFinal: true } } }),
      ['a', null, 'b', ''],
    ],
    ['shutting down, placed elsewhere', running({ node: 'b', power: 'off' }), ['a', null, undefined, '']],
  ])('of a VM %s', (_, vm, [place, home, goingTo, failure]) => {
    expect(whereabouts(vm)).toEqual({ node: place, home, goingTo, failure })
  })
})

describe('what is ordered', () => {
  it.each([
    ['move', running(), wish('move'), { way: 'live-or-shutdown', node: 'z', lastNode: null, homeBefore: null }],
    ['migrate', running(), wish('migrate'), { way: 'live-or-shutdown', node: 'z', lastNode: 'a', homeBefore: null }],
    ['unmigrate', away(), wish('unmigrate'), { node: 'a', lastNode: null, homeBefore: 'a' }],
    [
      'a move of a migrated VM gives up its home',
      away(),
      wish('move', { target: hv('c') }),
      { node: 'c', lastNode: null, homeBefore: 'a' },
    ],
    [
      'a forced migrate keeps the original home',
      away(),
      wish('migrate', { target: hv('c'), isForced: true }),
      { node: 'c', lastNode: 'a' },
    ],
    [
      'a forced migrate to its home is at home there',
      away(),
      wish('migrate', { target: hv('a'), isForced: true }),
      { node: 'a', lastNode: null },
    ],
    [
      'a move to where it is makes that its home',
      away(),
      wish('move', { target: hv('b') }),
      { way: 'stay', node: 'b', lastNode: null, move: null },
    ],
    [
      'a forced order supersedes one under way',
      leaving({ homeBefore: null }),
      wish('migrate', { target: hv('c'), isForced: true }),
      { node: 'c', lastNode: 'a', homeBefore: null },
    ],
    [
      'a forced unmigrate of a VM that leaves home',
      leaving({ homeBefore: null }),
      wish('unmigrate', { isForced: true }),
      { way: 'stay', node: 'a', lastNode: null, move: null },
    ],
    [
      'a new order after one that failed',
      failed(true),
      wish('migrate'),
      { node: 'z', lastNode: 'a', homeBefore: null },
    ],
    [
      'staying after one that failed',
      failed(true),
      wish('move', { target: hv('a') }),
      { way: 'stay', node: 'a', lastNode: null },
    ],
    [
      'a VM that is off is only placed',
      vmFacts('web', { node: 'a', power: 'off' }),
      wish('migrate'),
      { way: 'place', node: 'z', lastNode: 'a', move: null },
    ],
    [
      'a VM about to start carries the order along',
      vmFacts('web', { node: 'a', power: 'on' }),
      wish('move'),
      { way: 'place', node: 'z', move: 'new' },
    ],
    ['method shutdown', running({ meta: { migrationMethod: 'shutdown' } }), wish('move'), { way: 'shutdown' }],
    [
      'method shutdown, live only',
      running({ meta: { migrationMethod: 'shutdown' } }),
      wish('move', { isLiveOnly: true }),
      { way: 'live' },
    ],
    ['method live', running({ meta: { migrationMethod: 'live' } }), wish('move'), { way: 'live' }],
    [
      'a held VM, by force',
      vmFacts('web', { node: 'a', power: 'off', spec: { hold: 'mirror' } }),
      wish('move', { isForced: true }),
      { way: 'place', node: 'z' },
    ],
  ])('%s', (_, vm, asked, expected) => {
    expect(ordered(vm, asked)).toMatchObject({ generation: 5, ...expected })
  })

  it('shuts a guest down that cannot be copied', () => {
    expect(ordered(running(), wish('move'), LOCAL).way).toBe('shutdown')
  })
})

describe('what is refused', () => {
  it.each([
    ['migrated already', away(), wish('migrate'), /is migrated already, from node 'a'/],
    ['not migrated', running(), wish('unmigrate'), /is not migrated/],
    ['another home', away(), wish('unmigrate', { target: hv('c') }), /returns to its home, node 'a'/],
    ['already there', running(), wish('move', { target: hv('a') }), /is on node 'a' already/],
    ['migrate to where it is', running(), wish('migrate', { target: hv('a') }), /is on node 'a' already/],
    ['held', vmFacts('web', { node: 'a', power: 'off', spec: { hold: 'mirror' } }), wish('move'), /held by mirror/],
    [
      'live only, with a local disk',
      running(),
      wish('move', { isLiveOnly: true }),
      /cannot be moved live because of the local disk/,
    ],
    [
      'method live, with a local disk',
      running({ meta: { migrationMethod: 'live' } }),
      wish('move'),
      /cannot be moved live/,
    ],
  ])('%s', (_, vm, asked, message) => {
    expect(() => planMove(vm, LOCAL, asked)).toThrow(
      expect.objectContaining({ code: 'PVC_STATE_REFUSED', message: expect.stringMatching(message) }),
    )
  })

  it('a second order without force, with what is going on', () => {
    const progress = { percent: 42.7, remainingMiB: 99.2, totalMiB: 200, dirtyMiBps: 1, speedMiBps: 50, expectedS: 2 }
    const copying = leaving({}, { copyTo: 'b' })
    const vm = {
      spec: copying.spec,
      status: { ...copying.status, migration: { ...copying.status.migration, progress } as never },
    }
    const second = () => planMove(vm, FACTS, wish('move'))
    expect(second).toThrow(
      expect.objectContaining({
        code: 'PVC_OBJECT_CONFLICT',
        message:
          "VM 'web' is on its way to node 'b' (42 % copied, 100 MiB left); cancel that, or supersede it with force",
      }),
    )
  })
})

describe('withoutMove', () => {
  it.each([
    ['a migrate', leaving({ homeBefore: null }), 'a', null],
    ['a migrate that says nothing of before', leaving(), 'a', null],
    ['a migrate of a migrated VM', leaving({ homeBefore: hv('h') }, { lastNode: 'h' }), 'a', 'h'],
    [
      'an unmigrate',
      away({ node: 'a', lastNode: null, spec: { move: order({ kind: 'unmigrate', homeBefore: hv('a') }) } }),
      'b',
      'a',
    ],
    ['a move', leaving({ kind: 'move', homeBefore: null }, { lastNode: null }), 'a', null],
    ['a failed one', failed(true), 'a', null],
  ])('takes back %s', (_, vm, place, home) => {
    expect(withoutMove(vm)).toMatchObject({ node: place, lastNode: home, move: null, generation: 5 })
  })

  it('refuses when nothing moves', () => {
    expect(() => withoutMove(running())).toThrow("VM 'web' is not moving")
  })
})

describe('chooseTarget', () => {
  const nodes = [node('a'), node('b', { resources: { memoryFreeMiB: 9000 } }), node('c')]
  const context = { nodes, defaultSelector: 'mem' } as const
  const choose = (vm: VmFacts, asked: MoveWish, facts = FACTS, over = context) =>
    chooseTarget(vm, facts, planMove(vm, facts, asked), over)

  it('never chooses where the VM is, nor what is given up', () => {
    expect(choose(running(), wish('move')).choice).toBe('b')
    const superseding = choose(leaving(), wish('move', { isForced: true }))
    expect(superseding.choice).toBe('c')
    expect(superseding.candidates.map(({ reason }) => reason)).toEqual(
      expect.arrayContaining(['the VM is there now', 'the move given up goes there']),
    )
  })

  it('judges a target that is named, and only that', () => {
    const flushed = { ...context, nodes: [node('a'), node('b', { domainState: 'flushed' }), node('c')] }
    expect(choose(running(), wish('move', { target: hv('b') }), FACTS, flushed)).toMatchObject({
      choice: null,
      candidates: [{ node: 'b', reason: 'its domain state is flushed' }],
    })
  })

  it('holds an unmigrate to the node limit', () => {
    const limited = away({ meta: { nodeLimit: [hv('b'), hv('c')] } })
    expect(choose(limited, wish('unmigrate')).reason).toBe('a: not in the node limit of the VM')
  })

  it('asks for free memory only when the guest will use it', () => {
    const full = { ...context, nodes: [node('a'), node('b', { resources: { memoryFreeMiB: 1 } })] }
    expect(choose(running(), wish('move'), FACTS, full).choice).toBeNull()
    expect(choose(vmFacts('web', { node: 'a', power: 'off' }), wish('move'), FACTS, full).choice).toBe('b')
  })

  it('prefers an equal processor for a guest that sees it, and takes another only with a shutdown', () => {
    const passed = { ...FACTS, isCpuPassedThrough: true }
    const mixed = {
      ...context,
      nodes: [node('a'), node('b', { cpuModel: 'B', resources: { memoryFreeMiB: 9000 } }), node('c')],
    }
    expect(choose(running(), wish('move'), passed, mixed).choice).toBe('c')
    const other = { ...context, nodes: mixed.nodes.slice(0, 2) }
    expect(choose(running(), wish('move'), passed, other).choice).toBe('b')
    expect(choose(running(), wish('move', { isLiveOnly: true }), passed, other).choice).toBeNull()
    expect(choose(running(), wish('move', { isLiveOnly: true }), FACTS, other).choice).toBe('b')
  })
})

describe('moveFacts', () => {
  it('takes a definition that cannot be read for one without demands', () => {
    expect(moveFacts('<domain')).toEqual({ ...FACTS, arch: '' })
  })
})
