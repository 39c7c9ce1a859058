/** What the primary does: floating addresses, the end of maintenance, the timetable, the maintenance gate. */
import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../../src/adapters/fake/clock.ts'
import { FakeHostNetwork } from '../../../src/adapters/fake/host-network.ts'
import { FakeLog } from '../../../src/adapters/fake/log.ts'
import { createFloatingRole, floatingAddresses } from '../../../src/coordinator/floating.ts'
import { MaintenanceGates } from '../../../src/coordinator/gate.ts'
import { createMaintenanceEnd } from '../../../src/coordinator/maintenance-end.ts'
import { createTimetable } from '../../../src/coordinator/timetable.ts'
import { createFaultBoard } from '../../../src/node/faults.ts'
import type { Reign } from '../../../src/ports/primary.ts'
import { tree } from '../../../src/schema/tree.ts'
import { A, Coordinators } from './coordinators.ts'

async function reignOf(cluster: Coordinators) {
  const ending = new AbortController()
  const { session } = cluster
  const right = { session, ended: ending.signal, validForMs: () => (ending.signal.aborted ? 0 : 1000) }
  const gates = new MaintenanceGates()
  const faults = createFaultBoard(cluster.clock)
  const reign: Reign = { node: A, epoch: 1, ...right, faults, maintenance: gates.gate(right), resign: () => undefined }
  return { reign, gates, end: () => ending.abort() }
}

async function setMaintenance(cluster: Coordinators, over: { on: boolean; until?: number }): Promise<number> {
  const found = await cluster.session.get(tree.cluster)
  if (found === undefined) throw new Error('no cluster')
  const { value, version } = found
  const generation = value.generation + 1
  const maintenance = { since: 0, by: 'x', reason: '', ...over }
  await cluster.session.set(tree.cluster, { ...value, generation, maintenance }, version)
  return generation
}

describe('the maintenance gate', () => {
  it('lets a command through, and none once maintenance is on or the reign is over', async () => {
    const cluster = new Coordinators()
    await cluster.create()
    const { reign, gates, end } = await reignOf(cluster)
    expect(await reign.maintenance.run('power off', async () => 7)).toEqual({ kind: 'done', value: 7 })
    await setMaintenance(cluster, { on: true })
    expect(await reign.maintenance.run('power off', async () => 7)).toMatchObject({ kind: 'refused' })
    expect(reign.maintenance.isOn).toBe(true)
    await setMaintenance(cluster, { on: false })
    end()
    expect(await reign.maintenance.run('power off', async () => 7)).toMatchObject({ kind: 'refused' })
    expect(gates.inFlight).toBe(0)
  })

  it('is acknowledged only when no command is in flight', async () => {
    const cluster = new Coordinators()
    const [a] = await cluster.startAll()
    await cluster.clock.advance(7000)
    let finish: () => void = () => undefined
    const hold = () =>
      new Promise<void>((end) => {
        finish = end
      })
    const command = a.roles[0].reign?.maintenance.run('blocklist', hold)
    await cluster.clock.advance(10)
    const generation = await setMaintenance(cluster, { on: true })
    await cluster.clock.advance(5000)
    expect((await cluster.status())?.maintenanceSeen).toBeLessThan(generation)
    finish()
    await command
    await cluster.clock.advance(10)
    expect((await cluster.status())?.maintenanceSeen).toBe(generation)
  })

  it('is acknowledged by a new primary only when commands of a dead one are over', async () => {
    const cluster = new Coordinators()
    const [a] = await cluster.startAll()
    cluster.powerCut(a)
    const generation = await setMaintenance(cluster, { on: true })
    await cluster.clock.advance(6000)
    expect(await cluster.status()).toMatchObject({ epoch: 2, maintenanceSeen: 0 })
    await cluster.clock.advance(5000)
    expect(await cluster.status()).toMatchObject({ epoch: 2, maintenanceSeen: generation })
  })
})

describe('the end of maintenance', () => {
  it('comes when its time is over, also when the time was changed', async () => {
    const cluster = new Coordinators()
    await cluster.create()
    const { reign } = await reignOf(cluster)
    await setMaintenance(cluster, { on: true, until: cluster.clock.wallMs() + 5000 })
    const role = createMaintenanceEnd({ clock: cluster.clock, log: cluster.log })
    await role.start(reign)
    await cluster.clock.advance(1000)
    await setMaintenance(cluster, { on: true, until: cluster.clock.wallMs() + 2000 })
    await cluster.clock.advance(1900)
    expect((await cluster.session.get(tree.cluster))?.value.maintenance.on).toBe(true)
    await cluster.clock.advance(200)
    expect((await cluster.session.get(tree.cluster))?.value).toMatchObject({
      generation: 4,
      maintenance: { on: false },
    })
    await role.stop()
    expect(cluster.clock.pendingTimers).toBe(0)
  })
})

describe('the timetable', () => {
  it('runs one job at a time, as long as the reign lasts', async () => {
    const clock = new ManualClock()
    const fires: (() => void)[] = []
    let stopped = 0
    let runs = 0
    let finish: () => void = () => undefined
    const scheduler = {
      at: (_: string, fire: () => void) => {
        fires.push(fire)
        return { stop: () => void stopped++ }
      },
    }
    const run = () =>
      new Promise<void>((end) => {
        runs += 1
        finish = end
      })
    const job = { name: 'test', schedule: '* * * * *', run }
    const role = createTimetable([job], { scheduler, clock, log: new FakeLog() })
    const cluster = new Coordinators()
    const { reign, end } = await reignOf(cluster)
    await role.start(reign)
    fires[0]?.()
    fires[0]?.()
    expect(runs).toBe(1)
    finish()
    await clock.advance(0)
    fires[0]?.()
    expect(runs).toBe(2)
    finish()
    await clock.advance(0)
    end()
    fires[0]?.()
    expect(runs).toBe(2)
    await role.stop()
    expect(stopped).toBe(1)
  })
})

describe('floating addresses', () => {
  const floating = {
    upstream: { address: '192.0.2.9/24', device: 'up0' },
    cluster: { address: 'FD00:0::9/64', device: 'br0' },
  }
  const addresses = floatingAddresses({ cluster: { name: 'x', coordinators: [A], keyFile: '/k', floating } })

  it('are added, announced, missed when somebody removes one, and gone afterwards', async () => {
    const network = new FakeHostNetwork()
    const role = createFloatingRole(addresses, { network, log: new FakeLog() })
    const { reign } = await reignOf(new Coordinators())
    await role.start(reign)
    expect(network.present().map(({ address, prefix, device }) => [address, prefix, device])).toEqual([
      ['192.0.2.9', 24, 'up0'],
      ['FD00:0::9', 64, 'br0'],
    ])
    expect(network.announced).toHaveLength(1)
    expect(role.problem?.()).toBeUndefined()
    // As the kernel spells it.
    network.addresses = [{ address: 'fd00::9', prefix: 64, device: 'br0' }]
    expect(role.problem?.()).toBe('192.0.2.9 is missing on up0')
    await role.stop()
    expect([network.present(), network.announced[0]?.signal.aborted]).toEqual([[], true])
  })

  it('are taken and announced by an invited successor, not after a death, and go without a handover', async () => {
    const network = new FakeHostNetwork()
    const role = createFloatingRole(addresses, { network, log: new FakeLog() })
    await role.prepare?.(false)
    expect(network.present()).toEqual([])
    await role.prepare?.(true)
    expect([network.present().length, network.announced.length]).toEqual([2, 1])
    await role.stop()
    expect([network.present(), network.announced[0]?.signal.aborted]).toEqual([[], true])
  })

  it('are announced again when the lease has come, and when a successor does not take over', async () => {
    const network = new FakeHostNetwork()
    const role = createFloatingRole(addresses, { network, log: new FakeLog() })
    const { reign } = await reignOf(new Coordinators())
    await role.prepare?.(true)
    await role.start(reign)
    role.hush?.()
    expect(network.announced.map(({ signal }) => signal.aborted)).toEqual([true, true])
    await role.reclaim?.()
    expect(network.announced.map(({ signal }) => signal.aborted)).toEqual([true, true, false])
    await role.stop()
    expect(network.announced.every(({ signal }) => signal.aborted)).toBe(true)
  })

  it('are not announced any more when the reign has ended', async () => {
    const network = new FakeHostNetwork()
    const role = createFloatingRole(addresses, { network, log: new FakeLog() })
    const { reign, end } = await reignOf(new Coordinators())
    await role.start(reign)
    end()
    expect(network.announced[0]?.signal.aborted).toBe(true)
    await role.stop()
    await role.start(reign)
    expect([network.present(), network.announced]).toMatchObject([[], [{}]])
  })
})
