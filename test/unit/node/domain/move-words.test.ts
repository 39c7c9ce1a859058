import { describe, expect, it } from 'vitest'
import { VmArrival } from '../../../../src/model/domain.ts'
import { latestArrival } from '../../../../src/node/domain/observe-move.ts'
import { UUID } from './fixtures.ts'
import { advance, moving, runsAt } from './moving.ts'
import { World } from './world.ts'

describe('what the nodes of a move tell each other: it', () => {
  it('to a host that lacks the processor of the guest is refused, and the guest is not shut down for it', async () => {
    const world = await World.create()
    await world.wish((spec) => ({
      xml: spec.xml
        .replace("type='qemu'", "type='kvm'")
        .replace('</domain>', "<cpu mode='custom'><model>Skylake-Server</model></cpu></domain>"),
    }))
    await world.turnOn()
    await world.running()
    const pid = world.hv1.libvirtd.domains.get(UUID)?.run?.pid
    world.hv2.libvirtd.cpuProblem = 'Host CPU does not provide required features: avx512f'
    await world.wish(() => ({ node: world.hv2.name, move: { id: 'm', kind: 'move', isLiveOnly: false, policy: {} } }))
    const status = await world.until((now) => now.moveFailure !== null, 5000)
    expect(status).toMatchObject({ run: { node: 'hv1' }, seq: 1, migration: null, phase: 'running' })
    expect(status.moveFailure).toMatchObject({ isFinal: true, reason: expect.stringMatching(/^node hv2 .*avx512f$/) })
    await world.clock.advance(60_000)
    expect(world.hv1.libvirtd.domains.get(UUID)?.run?.pid).toBe(pid)
    expect(await world.hv2.files.incoming(UUID)).toBeUndefined()
    world.hv2.libvirtd.cpuProblem = undefined
    await world.wish(() => ({ node: world.hv2.name, move: { id: 'n', kind: 'move', isLiveOnly: false, policy: {} } }))
    await world.until(runsAt('hv2'), 5000)
  })

  it('is handed over also when no direct word of the target reaches the source', async () => {
    const { world } = await moving()
    world.arePeersSilent = true
    const status = await world.until(runsAt('hv2'), 5000)
    expect(status.seq).toBe(2)
  })

  it('is handed over also when the first direct word reached the source and the last one does not', async () => {
    const { world } = await moving()
    await world.until((status) => status.migration?.step === 'copy', 3000)
    world.arePeersSilent = true
    const status = await world.until(runsAt('hv2'), 5000)
    expect(status.seq).toBe(2)
  })

  it('is handed over on the direct word of its own target only', async () => {
    const { world, id } = await moving()
    // The copy is complete, and the target cannot say so.
    await world.until((status) => status.migration?.step === 'copy', 3000)
    world.hv2.isCertified = false
    await advance(world, 2000)
    const { name, life } = world.hv2
    const word = { migrationId: id, node: name, life, state: 'complete', reason: '' } as const
    for (const lie of [{ migrationId: 'another' }, { life: world.hv1.life }, { node: world.hv1.name }]) {
      world.hv1.wake(UUID, { ...word, ...lie })
      await advance(world, 500)
      expect((await world.status()).run?.node).toBe('hv1')
    }
    world.hv1.wake(UUID, word)
    await world.until((status) => status.run?.node === 'hv2', 1000)
    world.hv2.isCertified = true
    world.hv2.triggerAll()
    await world.until(runsAt('hv2'), 5000)
  })
})

describe('of what a target said directly and what the store has, the later one counts', () => {
  const states = VmArrival.shape.state.options
  const migration = { id: 'm', to: { node: 'hv2', life: 'hv2-life-1' } } as never
  const word = (state: VmArrival['state'], migrationId = 'm') =>
    VmArrival.parse({ migrationId, node: 'hv2', life: 'hv2-life-1', state, reason: '' })

  it.each([
    ['prepared', 'complete', 'complete'],
    ['complete', 'prepared', 'complete'],
    ['complete', 'gone', 'gone'],
    ['complete', 'refused', 'refused'],
    ['prepared', 'gone', 'gone'],
  ] as const)('told %s, stored %s: %s', (told, stored, wanted) => {
    expect(latestArrival(word(told), word(stored), migration)?.state).toBe(wanted)
  })

  it.each(states)('%s of another migration is nothing', (state) => {
    expect(latestArrival(word(state, 'old'), word('prepared'), migration)).toEqual(word('prepared'))
    expect(latestArrival(word(state), word('gone', 'old'), migration)).toEqual(word(state))
    expect(latestArrival(word(state), undefined, null)).toBeUndefined()
  })
})
