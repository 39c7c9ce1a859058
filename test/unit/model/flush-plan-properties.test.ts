import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type FlushContext, type FlushTask, flushFacts, planFlush, planReady } from '../../../src/model/flush-plan.ts'
import { NodeName } from '../../../src/model/ids.ts'
import type { PlacementNode } from '../../../src/model/placement.ts'
import { node, placed, type VmPlace, vmFacts } from './placement-world.ts'

const SELF = NodeName.parse('a')

const nodes = fc
  .uniqueArray(
    fc.record({
      name: fc.constantFrom('b', 'c', 'd'),
      daemon: fc.constantFrom('run' as const, 'run' as const, 'run' as const, 'dead' as const),
      domainState: fc.constantFrom('ready' as const, 'ready' as const, 'ready' as const, 'flush' as const),
      memoryFreeMiB: fc.integer({ min: 0, max: 10_000 }),
      memoryProvisionedMiB: fc.integer({ min: 0, max: 10_000 }),
      comingMiB: fc.integer({ min: 0, max: 3000 }),
    }),
    { selector: ({ name }) => name, maxLength: 3, size: 'max' },
  )
  .map((made) => [
    node('a', { domainState: 'flush' }),
    ...made.map(({ name, daemon, domainState, comingMiB, ...resources }) => {
      const vms = [placed(`coming-${name}`, { memoryMiB: comingMiB, isReported: false })]
      return node(name, { daemon, domainState, resources, vms })
    }),
  ])

/** Mostly none of these names. */
function sometimes(names: string[]): fc.Arbitrary<string[]> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant<string[]>([]) }, { weight: 1, arbitrary: fc.subarray(names) })
}

const somewhere = fc.record({
  memoryMiB: fc.integer({ min: 1, max: 4000 }),
  startPriority: fc.integer({ min: 0, max: 100 }),
  migrationMethod: fc.constantFrom('none' as const, 'live' as const, 'shutdown' as const),
  nodeLimit: sometimes(['a', 'b', 'c']),
  where: fc.constantFrom('here', 'here', 'here', 'starting', 'leaving', 'arriving'),
  isAtHome: fc.boolean(),
  tried: sometimes(['b', 'c']),
  autostart: fc.boolean(),
})

function place({ where, isAtHome }: { where: string; isAtHome: boolean }): VmPlace {
  const lastNode = isAtHome ? null : 'd'
  if (where === 'here') return { node: 'a', run: 'a', power: 'on', lastNode }
  if (where === 'starting') return { node: 'a', power: 'on', lastNode }
  if (where === 'leaving') return { node: 'b', run: 'a', power: 'on', lastNode: lastNode ?? 'a' }
  return { node: 'a', run: 'b', power: 'on', lastNode: 'b' }
}

const tasks = fc.array(somewhere, { maxLength: 12 }).map((made) =>
  made.map(({ memoryMiB, startPriority, migrationMethod, nodeLimit, tried, ...rest }, index): FlushTask => {
    const meta = { startPriority, migrationMethod, nodeLimit: nodeLimit.map((name) => NodeName.parse(name)) }
    const vm = vmFacts(`vm${index}`, { ...place(rest), spec: { memoryMiB }, meta })
    return { ...vm, tried: tried.map((name) => NodeName.parse(name)) }
  }),
)

function context(own: readonly PlacementNode[]): FlushContext {
  return { self: SELF, nodes: own, defaultSelector: 'mem', factsOf: (spec) => flushFacts(spec.xml), runId: 'run' }
}

/** Memory that may still be given away there, counted without the product's code. */
function roomMiB({ resources, vms }: PlacementNode): number {
  const comingMiB = vms.reduce((sum, vm) => sum + (vm.isOn && !vm.isReported ? vm.memoryMiB : 0), 0)
  const { memoryFreeMiB = 0, memoryTotalMiB = 0, memoryProvisionedMiB = 0 } = resources ?? {}
  return Math.min(memoryFreeMiB, memoryTotalMiB - memoryProvisionedMiB) - comingMiB
}

/** The VMs that a plan sends to a node and that are not there yet. */
function sentTo(plan: ReturnType<typeof planFlush>, all: readonly FlushTask[], name: string): readonly FlushTask[] {
  const sent = new Set(plan.flatMap(({ vm, target, next }) => (target === name && next?.power === 'on' ? [vm] : [])))
  return all.filter(({ spec, status }) => sent.has(spec.uuid) && status.run?.node !== name)
}

describe('any plan of a flush', () => {
  it('names every VM once, in an order of its own', () => {
    fc.assert(
      fc.property(tasks, nodes, (all, own) => {
        const plan = planFlush(all, context(own))
        expect(plan.map(({ vm }) => vm).sort()).toEqual(all.map(({ spec }) => spec.uuid).sort())
        const priorities = plan.map(({ vm }) => all.find(({ spec }) => spec.uuid === vm)?.spec.meta.startPriority ?? 0)
        expect(priorities).toEqual([...priorities].sort((a, b) => b - a))
      }),
    )
  })

  it('never gives a node more than it has', () => {
    fc.assert(
      fc.property(tasks, nodes, (all, own) => {
        const plan = planFlush(all, context(own))
        for (const each of own.slice(1)) {
          const sum = sentTo(plan, all, each.name).reduce((total, { spec }) => total + spec.memoryMiB, 0)
          if (sum > 0) expect(sum).toBeLessThanOrEqual(roomMiB(each))
        }
      }),
    )
  })

  it('sends nothing to a node that is out of the question, outside the limit, or was tried before', () => {
    fc.assert(
      fc.property(tasks, nodes, (all, own) => {
        const plan = planFlush(all, context(own))
        const states = new Map(own.map(({ name, daemon, domainState }) => [name, `${daemon} ${domainState}`]))
        for (const each of own) {
          for (const { spec, tried } of sentTo(plan, all, each.name)) {
            expect([each.name === 'a', states.get(each.name), tried.includes(each.name)]).toEqual([
              false,
              'run ready',
              false,
            ])
            if (spec.meta.nodeLimit.length > 0) expect(spec.meta.nodeLimit).toContain(each.name)
          }
        }
      }),
    )
  })

  it('leaves no VM behind without a word: it moves, is shut down with autostart, or has tried everything', () => {
    fc.assert(
      fc.property(tasks, nodes, (all, own) => {
        for (const { vm, target, method, next, reason } of planFlush(all, context(own))) {
          const task = all.find(({ spec }) => spec.uuid === vm)
          expect(reason).not.toBe('')
          if (next === null) expect(task?.tried.length).toBeGreaterThan(0)
          else if (method === 'shutdown')
            expect([target, next.power, next.meta.autostart, next.node]).toEqual([null, 'off', true, 'a'])
          else expect([next.power, next.node, next.meta]).toEqual(['on', target, task?.spec.meta])
          if (next !== null) expect(next.generation).toBe((task?.spec.generation ?? 0) + 1)
        }
      }),
    )
  })

  it('is the same for the same input, whatever its order', () => {
    fc.assert(
      fc.property(tasks, nodes, (all, own) => {
        const plan = planFlush(all, context(own))
        expect(planFlush([...all].reverse(), context([...own].reverse()))).toEqual(plan)
      }),
    )
  })
})

describe('any plan of a ready', () => {
  const returning = fc.array(somewhere, { maxLength: 12 }).map((made) =>
    made.map(({ memoryMiB, startPriority, autostart, isAtHome }, index): FlushTask => {
      const away: VmPlace = isAtHome ? { node: 'a', power: 'off' } : { node: 'b', lastNode: 'a', power: 'on', run: 'b' }
      const meta = { startPriority, autostart: autostart || isAtHome }
      return { ...vmFacts(`vm${index}`, { ...away, spec: { memoryMiB }, meta }), tried: [] }
    }),
  )

  it('never gives the node more than it has, and changes nothing for those that do not fit', () => {
    fc.assert(
      fc.property(returning, fc.integer({ min: 0, max: 10_000 }), (all, memoryFreeMiB) => {
        const own = [node('a', { domainState: 'unflush', resources: { memoryFreeMiB } }), node('b')]
        const plan = planReady(all, context(own))
        expect(plan.map(({ vm }) => vm).sort()).toEqual(all.map(({ spec }) => spec.uuid).sort())
        const sum = sentTo(plan, all, 'a').reduce((total, { spec }) => total + spec.memoryMiB, 0)
        expect(sum).toBeLessThanOrEqual(Math.min(memoryFreeMiB, 7000))
        for (const { target, next, reason } of plan)
          if (next === null) expect([target, reason === '']).toEqual([null, false])
      }),
    )
  })
})
