import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NodeName } from '../../../../src/model/ids.ts'
import { type EmulatedVm, Emulator, TOTAL_MIB } from './emulator.ts'

const OTHERS = ['b', 'c', 'd'].map((name) => NodeName.parse(name))
/** VMs of the node fit there together, so that all of them can come home. */
const MAX_VMS = 8
const MAX_MIB = Math.floor(TOTAL_MIB / MAX_VMS)

const vm = fc.record({
  memoryMiB: fc.integer({ min: 1, max: MAX_MIB }),
  power: fc.constantFrom('on' as const, 'on' as const, 'on' as const, 'off' as const),
  migrationMethod: fc.constantFrom('none' as const, 'none' as const, 'live' as const, 'shutdown' as const),
  startPriority: fc.integer({ min: 0, max: 100 }),
})

/** What others do, at one look. */
const event = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ kind: 'nothing' as const }) },
  { weight: 1, arbitrary: fc.constantFrom({ kind: 'flush' as const }, { kind: 'ready' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('dies' as const, 'returns' as const), node: fc.nat(2) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('off' as const, 'call-off' as const), vm: fc.nat(MAX_VMS - 1) }),
  },
)
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never

const story = fc.record({
  vms: fc.array(vm, { minLength: 1, maxLength: MAX_VMS }),
  /** Memory taken on each of the other nodes by a VM of its own. */
  takenMiB: fc.array(fc.integer({ min: 0, max: TOTAL_MIB }), { minLength: 3, maxLength: 3 }),
  fates: fc.array(fc.record({ looks: fc.integer({ min: 1, max: 6 }), isFailing: fc.boolean() }), {
    minLength: 1,
    maxLength: 8,
  }),
  events: fc.array(event, { maxLength: 60 }),
  parallel: fc.integer({ min: 1, max: 3 }),
})

type Story = typeof story extends fc.Arbitrary<infer T> ? T : never

function build({ vms, takenMiB, fates, parallel }: Story): Emulator {
  const own = vms.map(({ memoryMiB, power, ...meta }, index): [string, EmulatedVm] => [
    `vm${index}`,
    { memoryMiB, power, meta },
  ])
  const taken = takenMiB.map((memoryMiB, index): [string, EmulatedVm] => {
    return [`taken${index}`, { memoryMiB: Math.max(1, memoryMiB), at: OTHERS[index] ?? 'b' }]
  })
  const cluster = new Emulator(['a', ...OTHERS], Object.fromEntries([...own, ...taken]), parallel)
  let moves = 0
  cluster.fateOf = () => fates[moves++ % fates.length] ?? { looks: 1, isFailing: false }
  return cluster
}

function happen(cluster: Emulator, event: Event): void {
  if (event.kind === 'flush' || event.kind === 'ready') cluster.ask(event.kind)
  else if (event.kind === 'restart') cluster.restart()
  else if (event.kind === 'dies' || event.kind === 'returns')
    cluster.daemons.set(OTHERS[event.node] ?? ('b' as NodeName), event.kind === 'dies' ? 'dead' : 'run')
  else if (event.kind === 'off' || event.kind === 'call-off') {
    const target = [...cluster.vms.values()].find(({ spec }) => spec.name === `vm${event.vm}`)
    if (target === undefined) return
    const { spec, status } = target
    if (event.kind === 'off') cluster.edit(spec.name, { power: 'off' })
    else if (status.run !== null && status.run.node !== spec.node) cluster.callOff(spec.name)
  }
}

function isOn(cluster: Emulator, name: string): boolean {
  return [...cluster.vms.values()].some(({ spec }) => spec.name === name && spec.power === 'on')
}

/** What must hold after every look. */
function check(cluster: Emulator): void {
  expect(cluster.movesUnderWay()).toBeLessThanOrEqual(cluster.parallel)
  for (const node of ['a', ...OTHERS]) expect([node, cluster.promisedMiB(node) <= TOTAL_MIB]).toEqual([node, true])
  const steps = cluster.run?.steps.map(({ vm: uuid }) => uuid) ?? []
  expect(new Set(steps).size).toBe(steps.length)
  for (const { spec } of cluster.vms.values()) expect(spec.lastNode).not.toBe(spec.node)
}

describe('whatever happens', () => {
  it('a flush ends with an empty node, and a ready brings home everything that was wanted', () => {
    fc.assert(
      fc.property(story, (made) => {
        const cluster = build(made)
        const wasOn = new Set([...cluster.vms.values()].flatMap(({ spec }) => (spec.power === 'on' ? [spec.name] : [])))
        cluster.ask('flush')
        for (const each of made.events) {
          // Asking for an end of what a flush has ended already says nothing about its coming back.
          const isOff = each.kind === 'off' && isOn(cluster, `vm${each.vm}`)
          happen(cluster, each)
          if (isOff) wasOn.delete(`vm${each.vm}`)
          cluster.look()
          check(cluster)
        }
        for (const node of OTHERS) cluster.daemons.set(node, 'run')
        cluster.fateOf = () => ({ looks: 2, isFailing: false })
        cluster.ask('flush')
        cluster.play(300)
        check(cluster)
        expect(cluster.decision?.domainState).toBe('flushed')
        for (const { spec, status } of cluster.vms.values()) {
          expect(status.run?.node).not.toBe('a')
          // Off with its way back, or on: nothing is lost between.
          if (wasOn.has(spec.name))
            expect([spec.name, spec.power === 'on' || spec.meta.autostart]).toEqual([spec.name, true])
        }
        cluster.ask('ready')
        cluster.play(300)
        check(cluster)
        expect(cluster.decision?.domainState).toBe('ready')
        for (const { spec, status } of cluster.vms.values()) {
          if (!spec.name.startsWith('vm')) continue
          expect([spec.name, spec.node, spec.lastNode]).toEqual([spec.name, 'a', null])
          expect([spec.name, status.run?.node]).toEqual([spec.name, wasOn.has(spec.name) ? 'a' : undefined])
        }
      }),
      { numRuns: 200 },
    )
  }, 60_000)

  it('the same is decided for the same', () => {
    fc.assert(
      fc.property(story, (made) => {
        const [one, other] = [build(made), build(made)]
        for (const cluster of [one, other]) cluster.ask('flush')
        for (const each of made.events) {
          for (const cluster of [one, other]) happen(cluster, each)
          expect(one.look()).toEqual(other.look())
        }
      }),
      { numRuns: 50 },
    )
  })
})
