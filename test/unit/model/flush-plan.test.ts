import { describe, expect, it } from 'vitest'
import { type FlushContext, type FlushTask, flushFacts, planFlush, planReady } from '../../../src/model/flush-plan.ts'
import { NodeName } from '../../../src/model/ids.ts'
import type { PlacementNode } from '../../../src/model/placement.ts'
import { node, placed, type VmPlace, vmFacts } from './placement-world.ts'

const SELF = NodeName.parse('a')

function context(nodes: readonly PlacementNode[]): FlushContext {
  return { self: SELF, nodes, defaultSelector: 'mem', factsOf: (spec) => flushFacts(spec.xml), runId: 'flush-a-1' }
}

/** A VM that runs on the node to be emptied. */
function task(name: string, place: Partial<VmPlace> = {}, tried: readonly string[] = []): FlushTask {
  const facts = vmFacts(name, { node: 'a', power: 'on', run: 'a', ...place })
  return { ...facts, tried: tried.map((each) => NodeName.parse(each)) }
}

/** A definition with a disk file of its node. */
function xmlOf(name: string, devices: string): string {
  return `<domain type='kvm'><name>${name}</name><memory unit='MiB'>1000</memory><vcpu>2</vcpu><devices>${devices}</devices></domain>`
}

const NODES = [node('a'), node('b'), node('c', { resources: { memoryFreeMiB: 5000 } })]
/** Room for one VM of 1000 MiB on b, none elsewhere. */
const NARROW = [node('a'), node('b', { resources: { memoryFreeMiB: 1500 } })]

function leaving(tasks: readonly FlushTask[], nodes: readonly PlacementNode[] = NODES) {
  return planFlush(tasks, context(nodes)).map(({ name, target, method }) => `${name} ${method} ${target}`)
}

describe('the plan of a flush', () => {
  it('gives higher start priorities their place first, then larger VMs, then the first name', () => {
    const tasks = [
      task('small', { spec: { memoryMiB: 500 } }),
      task('twin2'),
      task('twin1'),
      task('vital', { spec: { memoryMiB: 300 }, meta: { startPriority: 90 } }),
      task('idle', { spec: { memoryMiB: 4000 }, meta: { startPriority: 10 } }),
    ]
    expect(planFlush(tasks, context(NODES)).map(({ name }) => name)).toEqual([
      'vital',
      'twin1',
      'twin2',
      'small',
      'idle',
    ])
  })

  it('counts what was promised to a target before', () => {
    expect(leaving([task('one'), task('two')])).toEqual(['one live b', 'two live b'])
    expect(leaving([task('one', { spec: { memoryMiB: 3000 } }), task('two')])).toEqual(['one live b', 'two live c'])
  })

  it('shuts down what has nowhere to go, to be started at the next ready', () => {
    const [first, second] = planFlush([task('one'), task('two')], context(NARROW))
    expect(first).toMatchObject({ method: 'live', target: 'b' })
    expect(second).toMatchObject({
      method: 'shutdown',
      target: null,
      reason: expect.stringContaining('b: 500 MiB free, 1000 MiB needed'),
      next: { power: 'off', node: 'a', lastNode: null, move: null, generation: 5, meta: { autostart: true } },
    })
  })

  it('sends a VM away with its way back', () => {
    const [step] = planFlush([task('one')], context(NODES))
    expect(step?.next).toMatchObject({
      node: 'b',
      lastNode: 'a',
      generation: 5,
      move: { id: 'flush-a-1-aaaaaaaa-5', kind: 'migrate' },
    })
  })

  it('keeps the home of a VM that is migrated already, and lets it go there', () => {
    const guest = task('one', { lastNode: 'c' })
    const [onward] = planFlush([guest], context(NODES))
    expect(onward?.next).toMatchObject({ node: 'b', lastNode: 'c' })
    const [home] = planFlush([guest], context([node('a'), node('c')]))
    expect(home?.next).toMatchObject({ node: 'c', lastNode: null })
  })

  it('tries live only as long as there is another target, so that only the last one may cost a shutdown', () => {
    const orderOf = (tried: readonly string[], nodes = NODES) =>
      planFlush([task('one', {}, tried)], context(nodes)).map(({ target, next }) => [target, next?.move?.isLiveOnly])
    expect(orderOf([])).toEqual([['b', true]])
    expect(orderOf(['b'])).toEqual([['c', false]])
  })

  it('waits when every target has failed, and shuts down when none is left at all', () => {
    const [failed] = planFlush([task('one', {}, ['b', 'c'])], context(NODES))
    expect(failed).toMatchObject({ target: null, next: null, reason: 'every possible target failed' })
    const dead = [node('a'), node('b', { daemon: 'dead' })]
    expect(leaving([task('one', {}, ['b'])], dead)).toEqual(['one shutdown null'])
  })

  it('shuts down at home a VM that was on its way when its last target was lost', () => {
    const left = vmFacts('two', { node: 'b', lastNode: 'a', power: 'on' })
    const plan = planFlush(
      [task('one', { node: 'b', lastNode: 'a' }, ['b']), { ...left, tried: [NodeName.parse('b')] }],
      context([node('a')]),
    )
    for (const { next } of plan) expect(next).toMatchObject({ power: 'off', node: 'a', lastNode: null, move: null })
  })

  it.each<[string, Omit<VmPlace, 'node' | 'power' | 'run'> & { starting?: true }, string]>([
    ['whose method is shutdown', { meta: { migrationMethod: 'shutdown' } }, 'vm shutdown-move b'],
    ['whose method is live', { meta: { migrationMethod: 'live' } }, 'vm live b'],
    ['that has not started yet', { starting: true }, 'vm place b'],
    ['with a disk of its node', { spec: { xml: xmlOf('vm', DISK) } }, 'vm shutdown null'],
    ['with a device of its node', { spec: { xml: xmlOf('vm', '<hostdev/>') } }, 'vm shutdown-move b'],
    [
      'with a device of its node, live only',
      { spec: { xml: xmlOf('vm', '<hostdev/>') }, meta: { migrationMethod: 'live' } },
      'vm shutdown null',
    ],
    ['limited to this node', { meta: { nodeLimit: [SELF] } }, 'vm shutdown null'],
  ])('deals with a VM %s', (_, { starting, ...place }, expected) => {
    const run = starting ? {} : { run: 'a' }
    expect(leaving([{ ...vmFacts('vm', { node: 'a', power: 'on', ...run, ...place }), tried: [] }])).toEqual([expected])
  })

  it('leaves a VM where it runs that was on its way to this node', () => {
    const [step] = planFlush([task('one', { run: 'b', lastNode: 'b' })], context(NODES))
    expect(step).toMatchObject({ method: 'place', target: 'b', next: { node: 'b', lastNode: null, move: null } })
  })
})

const DISK = `<disk type='file'><source file='/var/one.img'/><target dev='vda'/></disk>`

describe('the plan of a ready', () => {
  const ready = (tasks: readonly FlushTask[], nodes = [node('a', { domainState: 'unflush' }), node('b')]) =>
    planReady(tasks, context(nodes))

  it('brings a VM home that runs elsewhere', () => {
    const [step] = ready([task('one', { node: 'b', run: 'b', lastNode: 'a' })])
    expect(step).toMatchObject({
      method: 'live',
      target: 'a',
      next: { node: 'a', lastNode: null, move: { kind: 'unmigrate' } },
    })
  })

  it('takes the placement home of a VM that is off, and starts it when its autostart says so', () => {
    const away = { node: 'b', lastNode: 'a', power: 'off' } as const
    const off = vmFacts('off', away)
    const started = vmFacts('started', { ...away, meta: { autostart: true } })
    const [first, second] = ready([off, started].map((facts) => ({ ...facts, tried: [] })))
    expect(first).toMatchObject({ name: 'off', method: 'place', next: { node: 'a', lastNode: null, power: 'off' } })
    expect(second).toMatchObject({
      name: 'started',
      method: 'start',
      next: { node: 'a', lastNode: null, power: 'on', generation: 5, wishes: { start: 1 }, meta: { autostart: false } },
    })
  })

  it('starts a VM with autostart once', () => {
    const facts = vmFacts('one', { node: 'a', power: 'off', meta: { autostart: true } })
    const [step] = ready([{ ...facts, tried: [] }])
    expect(step).toMatchObject({
      method: 'start',
      target: 'a',
      next: { power: 'on', generation: 5, wishes: { start: 1 }, meta: { autostart: false } },
    })
  })

  it('leaves what does not fit where it is', () => {
    const full = [node('a', { domainState: 'unflush', resources: { memoryFreeMiB: 1500 } }), node('b')]
    const off = vmFacts('off', { node: 'a', power: 'off', meta: { autostart: true } })
    const [one, two] = ready([task('one', { node: 'b', run: 'b', lastNode: 'a' }), { ...off, tried: [] }], full)
    expect([one?.name, one?.next?.power]).toEqual(['off', 'on'])
    expect(two).toMatchObject({ name: 'one', next: null, reason: expect.stringContaining('500 MiB free') })
  })

  it('keeps a VM that has not left yet', () => {
    const own = { move: { id: 'm', kind: 'migrate', isLiveOnly: true, policy: {} } } as const
    const [step] = ready([task('one', { node: 'b', run: 'a', lastNode: 'a', copyTo: 'b', spec: own })])
    expect(step).toMatchObject({ next: { node: 'a', lastNode: null, move: null } })
  })

  it('counts a VM that is off there once it is to start', () => {
    const off = vmFacts('off', { node: 'a', power: 'off', meta: { autostart: true } })
    const own = [placed('off', { uuid: off.spec.uuid, memoryMiB: 1000, isOn: false, isReported: false })]
    const narrow = [node('a', { domainState: 'unflush', vms: own, resources: { memoryFreeMiB: 1500 } }), node('b')]
    const steps = ready([{ ...off, tried: [] }, task('one', { node: 'b', run: 'b', lastNode: 'a' })], narrow)
    expect(steps.map(({ name, next }) => [name, next !== null])).toEqual([
      ['off', true],
      ['one', false],
    ])
  })
})
