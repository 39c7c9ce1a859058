import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NodeName } from '../../../src/model/ids.ts'
import { choosePlacement, type PlacementNode, withPromise } from '../../../src/model/placement.ts'
import { node, placed, RESOURCES, request, vmFacts } from './placement-world.ts'

const SELECTORS = ['mem', 'memprov', 'vcpus', 'load', 'vms'] as const
const NAMES = ['a', 'b', 'c', 'd', 'e']

const vms = fc.array(
  fc.record({
    memoryMiB: fc.integer({ min: 100, max: 4000 }),
    vcpus: fc.integer({ min: 1, max: 4 }),
    antiAffinityGroup: fc.constantFrom('', 'g', 'h'),
    isOn: fc.boolean(),
    isReported: fc.boolean(),
  }),
  { maxLength: 4 },
)

/** Mostly the good one: a node that is out for several reasons tells little. */
function mostly<T, U>(good: T, ...others: readonly U[]): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: 12, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: fc.constantFrom(...others) })
}

const someNode = fc.record({
  name: fc.constantFrom(...NAMES),
  daemon: mostly('run' as const, 'dead' as const, undefined),
  domainState: mostly('ready' as const, 'flush' as const, undefined),
  isCertified: mostly(true, false),
  arch: mostly('x86_64', 'aarch64', undefined),
  cpuModel: mostly('A', 'B', undefined),
  resources: fc.option(
    fc.record({
      memoryFreeMiB: fc.integer({ min: 0, max: 10_000 }),
      memoryTotalMiB: fc.integer({ min: 4000, max: 10_000 }),
      memoryProvisionedMiB: fc.integer({ min: 0, max: 5000 }),
      vcpusAllocated: fc.integer({ min: 0, max: 20 }),
      load1: fc.constantFrom(0, 0.5, 1, 2),
      cpuCount: fc.constantFrom(4, 8),
    }),
    { nil: undefined, freq: 12 },
  ),
  vms,
})

const cluster = fc
  .uniqueArray(someNode, { selector: ({ name }) => name, minLength: 1, maxLength: NAMES.length, size: 'max' })
  .map((made) =>
    made.map((each): PlacementNode => {
      const own = each.vms.map((vm, index) => placed(`${each.name}${index}`, vm))
      return node(each.name, { ...each, name: NodeName.parse(each.name), vms: own })
    }),
  )

const wish = fc
  .record({
    memoryMiB: fc.integer({ min: 1, max: 5000 }),
    vcpus: fc.integer({ min: 1, max: 5 }),
    nodeLimit: fc.oneof(fc.constant([]), fc.subarray(NAMES)).map((names) => names.map((name) => NodeName.parse(name))),
    selector: fc.constantFrom(...SELECTORS),
    antiAffinityGroup: fc.constantFrom('', 'g', 'h'),
    mustFitNow: fc.boolean(),
    model: fc.constantFrom('A', undefined),
  })
  .map(({ model, ...rest }) => request({ ...rest, cpu: { arch: 'x86_64', model } }))

type Wish = ReturnType<typeof request>

/** The rules said once more, plainly and without the product's code. */
function promisedMiB({ resources, vms: own }: PlacementNode): number {
  const on = own.filter(({ isOn }) => isOn)
  const all = on.reduce((sum, vm) => sum + vm.memoryMiB, 0)
  const coming = on.reduce((sum, vm) => sum + (vm.isReported ? 0 : vm.memoryMiB), 0)
  return Math.max(all, (resources?.memoryProvisionedMiB ?? 0) + coming)
}

function fits(made: PlacementNode, { memoryMiB }: Wish): boolean {
  const { memoryTotalMiB = 0, memoryFreeMiB = 0 } = made.resources ?? {}
  const comingMiB = made.vms.reduce((sum, vm) => sum + (vm.isOn && !vm.isReported ? vm.memoryMiB : 0), 0)
  return promisedMiB(made) + memoryMiB <= memoryTotalMiB && comingMiB + memoryMiB <= memoryFreeMiB
}

function isPossible(made: PlacementNode, wanted: Wish): boolean {
  const { resources } = made
  if (resources === undefined) return false
  const isSized = wanted.memoryMiB < resources.memoryTotalMiB && wanted.vcpus <= Math.max(1, resources.cpuCount - 2)
  const isInLimit = wanted.nodeLimit.length === 0 || wanted.nodeLimit.includes(made.name)
  const isUp = made.daemon === 'run' && made.isCertified && made.domainState === 'ready'
  const isCpu =
    (made.arch ?? 'x86_64') === 'x86_64' &&
    (wanted.cpu.model === undefined || made.cpuModel === undefined || made.cpuModel === wanted.cpu.model)
  return isSized && isInLimit && isUp && isCpu && (!wanted.mustFitNow || fits(made, wanted))
}

function neighbours(made: PlacementNode, { antiAffinityGroup }: Wish): number {
  return antiAffinityGroup === '' ? 0 : made.vms.filter((vm) => vm.antiAffinityGroup === antiAffinityGroup).length
}

const find = (nodes: readonly PlacementNode[], name: string | null) => nodes.find((each) => each.name === name)

const RUNS = { numRuns: 400 }

describe('choosePlacement, for any cluster and wish', () => {
  it('chooses a node exactly when one is possible, and then a possible one', () => {
    fc.assert(
      fc.property(cluster, wish, (nodes, wanted) => {
        const { choice, candidates } = choosePlacement(wanted, nodes)
        const possible = nodes.filter((each) => isPossible(each, wanted))
        expect(candidates.map((each) => each.node)).toEqual(nodes.map((each) => each.name).sort())
        expect(candidates.filter((each) => each.eligible).map((each) => each.node)).toEqual(
          possible.map((each) => each.name).sort(),
        )
        if (choice === null) expect(possible).toEqual([])
        else expect(possible.map((each) => each.name)).toContain(choice)
      }),
      RUNS,
    )
  })

  it('never leaves the limit', () => {
    fc.assert(
      fc.property(cluster, wish, (nodes, wanted) => {
        const { choice } = choosePlacement(wanted, nodes)
        if (choice !== null && wanted.nodeLimit.length > 0) expect(wanted.nodeLimit).toContain(choice)
      }),
      RUNS,
    )
  })

  it('never overfills a node, also when many VMs are placed one after the other', () => {
    fc.assert(
      fc.property(cluster, fc.array(wish, { maxLength: 12 }), (nodes, wishes) => {
        const wasFull = new Map(nodes.map((each) => [each.name, promisedMiB(each)]))
        let present: readonly PlacementNode[] = nodes
        for (const [index, each] of wishes.entries()) {
          const { choice } = choosePlacement({ ...each, mustFitNow: true }, present)
          if (choice === null) continue
          const { spec } = vmFacts(`n${index}`, { node: choice, power: 'on', spec: { memoryMiB: each.memoryMiB } })
          present = withPromise(present, choice, spec)
          const total = find(present, choice)?.resources?.memoryTotalMiB ?? 0
          const promised = promisedMiB(find(present, choice) ?? node('none'))
          expect(promised).toBeGreaterThanOrEqual(wasFull.get(choice) ?? 0)
          expect(promised).toBeLessThanOrEqual(total)
        }
      }),
      RUNS,
    )
  })

  it('gives the same answer to the same question, in whatever order the nodes and VMs come', () => {
    const shuffled = cluster.chain((nodes) =>
      fc.tuple(
        fc.constant(nodes),
        fc
          .shuffledSubarray(nodes, { minLength: nodes.length })
          .map((list) => list.map((each) => ({ ...each, vms: [...each.vms].reverse() }))),
      ),
    )
    fc.assert(
      fc.property(shuffled, wish, ([nodes, others], wanted) => {
        const answer = choosePlacement(wanted, nodes)
        expect(choosePlacement(wanted, nodes)).toEqual(answer)
        expect(choosePlacement(wanted, others)).toEqual(answer)
      }),
      RUNS,
    )
  })

  it('ignores no candidate that is strictly better', () => {
    fc.assert(
      fc.property(cluster, wish, (nodes, wanted) => {
        const { choice, candidates } = choosePlacement(wanted, nodes)
        const chosen = find(nodes, choice)
        if (chosen === undefined) return
        const scoreOf = (name: string) => candidates.find((each) => each.node === name)?.score ?? 0
        for (const { node: name, eligible } of candidates) {
          const other = find(nodes, name)
          if (!eligible || other === undefined || other === chosen) continue
          const rank = (each: PlacementNode) => [
            fits(each, wanted) ? 1 : 0,
            -neighbours(each, wanted),
            scoreOf(each.name),
          ]
          const [mine, theirs] = [rank(chosen), rank(other)]
          const at = mine.findIndex((value, index) => value !== theirs[index])
          if (at === -1) expect(chosen.name < other.name).toBe(true)
          else expect(mine[at]).toBeGreaterThan(theirs[at] ?? 0)
        }
      }),
      RUNS,
    )
  })

  it('scores by what the selector names', () => {
    const quiet = fc.record({ a: fc.integer({ min: 3000, max: 9000 }), b: fc.integer({ min: 3000, max: 9000 }) })
    fc.assert(
      fc.property(quiet, ({ a, b }) => {
        const figure = { mem: 'memoryFreeMiB', memprov: 'memoryProvisionedMiB', vcpus: 'vcpusAllocated', load: 'load1' }
        for (const [selector, name] of Object.entries(figure)) {
          const resources = { ...RESOURCES, memoryTotalMiB: 20_000 }
          const nodes = [
            node('a', { resources: { ...resources, [name]: a } }),
            node('b', { resources: { ...resources, [name]: b } }),
          ]
          const isMoreBetter = selector === 'mem'
          const best = a === b ? 'a' : a > b === isMoreBetter ? 'a' : 'b'
          const wanted = request({ selector: selector as 'mem', memoryMiB: 1 })
          expect([selector, choosePlacement(wanted, nodes).choice]).toEqual([selector, best])
        }
      }),
      RUNS,
    )
  })
})
