import { describe, expect, it } from 'vitest'
import { LifeId, NodeName } from '../../../../src/model/ids.ts'
import { Emulator, SELF } from './emulator.ts'

const B = NodeName.parse('b')
const C = NodeName.parse('c')
const SMALL = { memoryMiB: 1000 }

function flushing(
  nodes: readonly string[],
  vms: ConstructorParameters<typeof Emulator>[1],
  parallel?: number,
): Emulator {
  const cluster = new Emulator(nodes, vms, parallel)
  cluster.ask('flush')
  return cluster
}

describe('a node that was never asked', () => {
  it('is ready and publishes nothing', () => {
    const cluster = new Emulator(['a', 'b'], { vm: SMALL })
    expect(cluster.look()).toMatchObject({ domainState: 'ready', run: undefined, turn: 'keep', writes: [] })
  })
})

describe('a flush', () => {
  it('publishes its plan, takes its turn, and then moves so many at once', () => {
    const cluster = flushing(['a', 'b', 'c'], { one: SMALL, two: SMALL, three: SMALL })
    expect(cluster.look()).toMatchObject({ domainState: 'flush', turn: 'take', writes: [] })
    expect(cluster.steps()).toEqual(['one live b waiting', 'three live c waiting', 'two live b waiting'])
    expect(cluster.look().writes.map(({ why }) => why)).toEqual(['flush: live', 'flush: live'])
    cluster.play()
    expect(cluster.whereabouts()).toEqual({ one: 'b', two: 'b', three: 'c' })
    expect(cluster.decision).toMatchObject({ domainState: 'flushed', turn: 'drop', wakeInMs: undefined })
    expect(cluster.run).toMatchObject({ id: 'flush-a-1', waitsFor: null })
  })

  it('keeps the reasons of each choice', () => {
    const cluster = flushing(['a', 'b'], { one: SMALL })
    cluster.look()
    expect(cluster.look().writes[0]?.decision).toMatchObject({ kind: 'flush', from: 'a', choice: 'b' })
  })

  it('is over at once where nothing runs, whosever turn it is', () => {
    const cluster = flushing(['a', 'b'], { off: { memoryMiB: 1000, power: 'off' } })
    cluster.holder = B
    expect(cluster.look()).toMatchObject({ domainState: 'flushed', turn: 'keep', run: { endedAt: 0, steps: [] } })
  })

  it('waits for its turn, and says for whom', () => {
    const cluster = flushing(['a', 'b', 'c'], { one: SMALL })
    cluster.holder = B
    for (let looks = 0; looks < 5; looks += 1) expect(cluster.look().writes).toEqual([])
    expect(cluster.run).toMatchObject({ waitsFor: 'b', endedAt: null })
    cluster.holder = undefined
    cluster.play()
    expect(cluster.run?.waitsFor).toBeNull()
  })

  it('gives its turn back when all that is left has failed, and tries again after a minute', () => {
    const cluster = flushing(['a', 'b', 'c'], { one: { ...SMALL, meta: { migrationMethod: 'live' } } })
    cluster.fateOf = () => ({ looks: 1, isFailing: true })
    for (let looks = 0; looks < 12; looks += 1) cluster.look()
    expect(cluster.steps()).toEqual(['one live null failed'])
    expect(cluster.run?.steps[0]).toMatchObject({ reason: 'No route to host', tried: ['b', 'c'] })
    expect([cluster.turn.is, cluster.vm('one').spec]).toMatchObject(['none', { node: 'a', lastNode: null, move: null }])
    expect(cluster.decision?.domainState).toBe('flush')
    cluster.fateOf = () => ({ looks: 1, isFailing: false })
    expect(cluster.play()).toBeGreaterThan(45)
    expect(cluster.whereabouts()).toEqual({ one: 'b' })
  })

  it('tries the last target with a shutdown, where that is allowed', () => {
    const cluster = flushing(['a', 'b', 'c'], { one: SMALL })
    cluster.fateOf = () => ({ looks: 1, isFailing: true })
    cluster.play()
    expect(cluster.whereabouts()).toEqual({ one: 'c' })
  })

  it('shuts down only when nothing is left to be moved', () => {
    const cluster = flushing(['a', 'b'], { large: { memoryMiB: 6000 }, huge: { memoryMiB: 8000 }, small: SMALL })
    cluster.fateOf = () => ({ looks: 4, isFailing: false })
    cluster.look()
    expect(cluster.steps()).toEqual(['huge live b waiting', 'large shutdown null waiting', 'small live b waiting'])
    while (cluster.movesUnderWay() > 0 || cluster.vm('small').status.run?.node === 'a') {
      expect(cluster.vm('large').spec.power).toBe('on')
      cluster.look()
    }
    cluster.play()
    expect(cluster.whereabouts()).toEqual({ huge: 'b', large: 'off', small: 'b' })
    expect(cluster.vm('large').spec).toMatchObject({ node: 'a', meta: { autostart: true } })
    expect(cluster.steps()).toContain('large shutdown null stopped')
  })

  it('does not wait for a VM that was stopped meanwhile, nor for one that was removed', () => {
    const cluster = flushing(['a', 'b'], { one: SMALL, two: SMALL, three: SMALL }, 1)
    cluster.fateOf = () => ({ looks: 3, isFailing: false })
    cluster.look()
    cluster.look()
    cluster.edit('three', { power: 'off' })
    cluster.look()
    cluster.look()
    cluster.vms.delete(cluster.vm('three').spec.uuid)
    cluster.play()
    expect(cluster.whereabouts()).toEqual({ one: 'b', two: 'b' })
    expect(cluster.run?.steps.find(({ name }) => name === 'three')).toMatchObject({ state: 'done' })
  })

  it('waits for a held VM and for a job on the volumes of another, without the turn', () => {
    const cluster = flushing(['a', 'b'], { held: SMALL, volumes: { memoryMiB: 1000, power: 'off' } })
    cluster.edit('held', { hold: 'restore' })
    const { spec, status } = cluster.vm('volumes')
    const run = { node: SELF, life: LifeId.parse('l'), holder: 'job-7' }
    cluster.vms.set(spec.uuid, { spec: { ...spec, hold: 'import' }, status: { ...status, run } })
    cluster.look()
    expect(cluster.run?.steps.map(({ name, reason }) => `${name}: ${reason}`)).toEqual([
      'held: it is held by restore',
      'volumes: job job-7 works on its volumes',
    ])
    expect([cluster.turn.is, cluster.decision?.domainState]).toEqual(['none', 'flush'])
  })

  it.each([
    ['dead', 1],
    ['stop', 10],
  ] as const)('sends a VM elsewhere when its target is in state %s, after %i looks', (state, patience) => {
    const cluster = flushing(['a', 'b', 'c'], { one: SMALL })
    cluster.fateOf = () => ({ looks: 100, isFailing: false })
    cluster.isNoticing = false
    for (let looks = 0; looks < 3; looks += 1) cluster.look()
    expect(cluster.vm('one').spec.node).toBe('b')
    cluster.daemons.set(B, state)
    for (let looks = 0; looks < patience; looks += 1) {
      expect(cluster.vm('one').spec.node).toBe('b')
      cluster.look()
    }
    cluster.look()
    expect(cluster.vm('one').spec).toMatchObject({ node: 'c', lastNode: 'a' })
  })

  it('goes elsewhere when the operator takes a move back', () => {
    const cluster = flushing(['a', 'b', 'c'], { one: SMALL })
    cluster.fateOf = () => ({ looks: 5, isFailing: false })
    for (let looks = 0; looks < 3; looks += 1) cluster.look()
    cluster.callOff('one')
    cluster.play()
    expect(cluster.whereabouts()).toEqual({ one: 'c' })
  })

  it('notices a VM that is started on an empty node', () => {
    const cluster = flushing(['a', 'b'], { one: { memoryMiB: 1000, power: 'off' } })
    cluster.play()
    cluster.edit('one', { power: 'on' })
    expect(cluster.look()).toMatchObject({ domainState: 'flush', run: { endedAt: null } })
    cluster.play()
    expect(cluster.whereabouts()).toEqual({ one: 'b' })
  })

  it('follows a VM until it runs where it went, and finds another place when that never comes', () => {
    const cluster = flushing(['a', 'b', 'c'], { one: { ...SMALL, meta: { migrationMethod: 'shutdown' } } })
    cluster.look()
    cluster.look()
    const { spec, status } = cluster.vm('one')
    // Shut down here, and its target dies before it has taken it.
    cluster.daemons.set(NodeName.parse(spec.node), 'dead')
    cluster.vms.set(spec.uuid, { spec: { ...spec }, status: { ...status, run: null, seq: 8, phase: 'off' } })
    cluster.play()
    expect(cluster.whereabouts()).toEqual({ one: 'c' })
    expect(cluster.vm('one').spec.lastNode).toBe('a')
  })

  it.each<[string, (cluster: Emulator) => void]>([
    [
      'one domain still runs here',
      (cluster) => {
        cluster.aliens = 1
      },
    ],
    [
      'libvirt on this node does not answer',
      (cluster) => {
        cluster.isLibvirtDown = true
      },
    ],
  ])('is not over without a word: %s', (problem, arrange) => {
    const cluster = flushing(['a', 'b'], {})
    arrange(cluster)
    cluster.look()
    expect(cluster.run).toMatchObject({ problem: '', endedAt: null })
    for (let looks = 0; looks < 5; looks += 1) cluster.look()
    expect(cluster.decision).toMatchObject({ domainState: 'flush', run: { problem, endedAt: null } })
  })
})

describe('a ready', () => {
  it('brings home what left, starts what was shut down, and is over', () => {
    const cluster = flushing(['a', 'b'], {
      one: { memoryMiB: 5000 },
      two: { memoryMiB: 4500 },
      three: { memoryMiB: 5500, at: 'b' },
    })
    cluster.play()
    expect(cluster.whereabouts()).toEqual({ one: 'off', two: 'b', three: 'b' })
    cluster.ask('ready')
    expect(cluster.look().domainState).toBe('unflush')
    cluster.play()
    expect(cluster.whereabouts()).toEqual({ one: 'a', two: 'a', three: 'b' })
    expect(cluster.decision?.domainState).toBe('ready')
    expect(cluster.vm('two').spec).toMatchObject({ node: 'a', lastNode: null })
    expect(cluster.vm('one').spec.meta.autostart).toBe(false)
  })

  it('is over although a VM cannot come, which stays where it runs and keeps its home', () => {
    const cluster = flushing(['a', 'b'], { one: SMALL })
    cluster.play()
    cluster.fateOf = () => ({ looks: 1, isFailing: true })
    cluster.edit('one', { meta: { ...cluster.vm('one').spec.meta, migrationMethod: 'live' } })
    cluster.ask('ready')
    cluster.play()
    expect(cluster.run?.steps[0]).toMatchObject({ state: 'failed', reason: 'No route to host' })
    expect(cluster.vm('one').spec).toMatchObject({ node: 'b', lastNode: 'a', move: null })
    cluster.fateOf = () => ({ looks: 1, isFailing: false })
    cluster.ask('ready')
    cluster.play()
    expect(cluster.whereabouts()).toEqual({ one: 'a' })
  })

  it('leaves alone what another node holds that does not run', () => {
    const cluster = flushing(['a', 'b', 'c'], { one: SMALL })
    cluster.play()
    cluster.daemons.set(B, 'dead')
    cluster.ask('ready')
    cluster.play()
    expect(cluster.run?.steps[0]).toMatchObject({ state: 'failed', reason: expect.stringContaining('node b') })
    expect(cluster.vm('one').spec).toMatchObject({ node: 'b', lastNode: 'a' })
  })

  it('is not begun again by a change of the specification that is no wish', () => {
    const cluster = flushing(['a', 'b'], { one: SMALL })
    cluster.play()
    cluster.ask('ready')
    cluster.play()
    cluster.edit('one', { node: B, lastNode: SELF })
    expect(cluster.look()).toMatchObject({ domainState: 'ready', writes: [] })
  })
})

describe('a changed wish', () => {
  it('calls off what is being copied, and brings back what has left', () => {
    const cluster = flushing(['a', 'b', 'c'], { one: SMALL, two: SMALL, three: SMALL }, 1)
    cluster.fateOf = ({ spec }) => ({ looks: spec.name === 'one' ? 1 : 50, isFailing: false })
    for (let looks = 0; looks < 5; looks += 1) cluster.look()
    expect(cluster.whereabouts()).toEqual({ one: 'b', two: 'a', three: 'a' })
    expect(cluster.movesUnderWay()).toBe(1)
    cluster.ask('ready')
    cluster.play()
    expect(cluster.whereabouts()).toEqual({ one: 'a', two: 'a', three: 'a' })
    for (const { spec } of cluster.vms.values()) expect(spec).toMatchObject({ node: 'a', lastNode: null })
  })

  it('leaves where it runs what was coming home', () => {
    const cluster = flushing(['a', 'b'], { one: SMALL, two: SMALL }, 1)
    cluster.play()
    cluster.ask('ready')
    cluster.fateOf = () => ({ looks: 50, isFailing: false })
    for (let looks = 0; looks < 4; looks += 1) cluster.look()
    expect(cluster.movesUnderWay()).toBe(1)
    cluster.ask('flush')
    cluster.play()
    expect(cluster.whereabouts()).toEqual({ one: 'b', two: 'b' })
    for (const { spec } of cluster.vms.values()) expect(spec).toMatchObject({ node: 'b', lastNode: 'a' })
  })

  it('keeps the place in the queue', () => {
    const cluster = flushing(['a', 'b', 'c'], { one: SMALL, two: SMALL }, 1)
    cluster.fateOf = () => ({ looks: 3, isFailing: false })
    for (let looks = 0; looks < 3; looks += 1) cluster.look()
    cluster.ask('ready')
    // And publishes the new plan before it acts on it.
    expect([cluster.look(), cluster.turn.is]).toMatchObject([{ turn: 'keep', writes: [] }, 'ours'])
    expect(cluster.look().writes).not.toEqual([])
  })
})

describe('a target that has failed', () => {
  it('is not asked again before the others', () => {
    const cluster = flushing(['a', 'b', 'c', 'd'], { one: { ...SMALL, meta: { migrationMethod: 'live' } } })
    const asked: string[] = []
    cluster.fateOf = ({ spec }) => {
      asked.push(spec.node)
      return { looks: 1, isFailing: spec.node !== C }
    }
    cluster.play()
    expect(asked).toEqual(['b', 'c'])
  })
})
