/** DHCP on the primary: a server per network that has a gateway, and leases that outlive it. */
import { describe, expect, it } from 'vitest'
import { createDhcpRole } from '../../../../src/coordinator/network/dhcp/role.ts'
import { PvcError } from '../../../../src/model/errors.ts'
import { MacAddress, type Network, Vni } from '../../../../src/model/network.ts'
import type { DhcpServer, DhcpServers, LeaseBook, LeaseEvent } from '../../../../src/ports/dhcp.ts'
import { tree } from '../../../../src/schema/tree.ts'
import { managedNetwork, NetworkWorld } from './network-world.ts'

const MAC = MacAddress.parse('52:54:00:00:00:01')
const kept = (address: string, expiresS: number, serverDuid?: string): LeaseEvent => ({
  kind: 'kept',
  serverDuid,
  lease: { address, mac: MAC, hostname: 'web', clientId: '', expiresS },
})

class FakeServers implements DhcpServers {
  servers: readonly DhcpServer[] = []
  zones: readonly string[] = []
  book: LeaseBook | undefined
  broken: { vni: number; message: string }[] = []
  onChange: () => void = () => undefined
  /** What a server says last, while it is being stopped. */
  lastWord: LeaseEvent | undefined

  async keep(...[servers, zones, book, onChange]: Parameters<DhcpServers['keep']>): Promise<void> {
    Object.assign(this, { servers, zones, book, onChange })
  }

  problems() {
    return this.broken
  }

  async stop(): Promise<void> {
    if (this.lastWord) this.book?.note(100, this.lastWord)
    this.servers = []
  }
}

async function start(networks: readonly Network[]) {
  const world = await NetworkWorld.create(networks)
  const servers = new FakeServers()
  const role = createDhcpRole({ index: world.index, servers, underlayMtu: 1500, clock: world.clock, log: world.log })
  await role.start(world.reign)
  const leases = async () => {
    const dir = tree.network(Vni.parse(100)).leases
    const names = (await world.session.children(dir.path)) ?? []
    return Promise.all(names.map(async (name) => (await world.session.get(dir.child(name)))?.value))
  }
  return { world, servers, role, leases }
}

describe('DHCP servers', () => {
  it('are those of networks with a gateway, with their reservations, and follow what changes', async () => {
    const bridged: Network = { ...managedNetwork(101), type: 'bridged' }
    const { world, servers, role } = await start([managedNetwork(100), bridged, managedNetwork(102, { ip4: null })])
    expect(servers.servers.map(({ network, mtu }) => [network.vni, mtu])).toEqual([[100, 1450]])
    expect(servers.zones).toContain('net100.local')
    await world.reserve(100, { mac: MAC, address: '10.0.100.5', hostname: 'db' })
    expect(servers.servers[0]?.reservations).toMatchObject([{ address: '10.0.100.5' }])
    await world.change(100, (network) => ({ ...network, mtu: 1400 }))
    expect(servers.servers[0]?.mtu).toBe(1400)
    await role.stop()
    expect(servers.servers).toEqual([])
  })

  it('say nothing any more once a successor is named, and serve again when it does not take over', async () => {
    const { world, servers, role } = await start([managedNetwork(100)])
    role.hush?.()
    await world.change(100, (network) => ({ ...network, mtu: 1400 }))
    await world.clock.advance(20_000)
    expect(servers.servers).toEqual([])
    await role.reclaim?.()
    await world.clock.advance(10)
    expect(servers.servers[0]?.mtu).toBe(1400)
    role.hush?.()
    await role.stop()
    await role.start(world.reign)
    expect(servers.servers).toHaveLength(1)
    await role.stop()
  })

  it('that do not work are a fault each, gone when they work', async () => {
    const { world, servers, role } = await start([managedNetwork(100)])
    servers.broken = [{ vni: 100, message: 'dnsmasq ended with code 2' }]
    servers.onChange()
    expect(world.faults.list()).toMatchObject([{ id: 'DHCP_SERVER:100', severity: 'error' }])
    servers.broken = []
    servers.onChange()
    expect(world.faults.list()).toEqual([])
    await role.stop()
  })
})

describe('leases', () => {
  it('are written, renewed and removed, the server’s identity with them', async () => {
    const { world, servers, role, leases } = await start([managedNetwork(100)])
    servers.book?.note(100, kept('10.0.100.100', 1000, '00:01'))
    servers.book?.note(100, kept('10.0.100.101', 1000))
    await world.clock.advance(10)
    expect(await leases()).toMatchObject([{ expiresS: 1000 }, { expiresS: 1000 }])
    servers.book?.note(100, kept('10.0.100.100', 2000))
    servers.book?.note(100, { kind: 'over', address: '10.0.100.101' })
    await world.clock.advance(10)
    expect(await leases()).toMatchObject([{ address: '10.0.100.100', expiresS: 2000 }])
    expect(await servers.book?.read(100)).toMatchObject({ leases: [{ expiresS: 2000 }], serverDuid: '00:01' })
    await role.stop()
  })

  it('that could not be written are written later, the newest word of each', async () => {
    const { world, servers, role, leases } = await start([managedNetwork(100)])
    const set = world.session.create.bind(world.session)
    world.session.create = async () => {
      throw new PvcError('PVC_STORE_TIMEOUT', 'no answer')
    }
    servers.book?.note(100, kept('10.0.100.100', 1000))
    await world.clock.advance(500)
    servers.book?.note(100, kept('10.0.100.100', 3000))
    await world.clock.advance(500)
    world.session.create = set
    await world.clock.advance(500)
    expect(await leases()).toMatchObject([{ expiresS: 3000 }])
    await role.stop()
  })

  it('of a network that is removed keep nothing else waiting', async () => {
    const { world, servers, role, leases } = await start([managedNetwork(100)])
    servers.book?.note(999, kept('10.0.99.1', 1000))
    servers.book?.note(100, kept('10.0.100.100', 1000))
    await world.clock.advance(10)
    expect(await leases()).toHaveLength(1)
    await role.stop()
  })

  it('of a network that was added by half are kept all the same', async () => {
    const { world, servers, role, leases } = await start([managedNetwork(100)])
    await world.session.remove(tree.network(Vni.parse(100)).leases.path)
    servers.book?.note(100, kept('10.0.100.100', 1000))
    await world.clock.advance(10)
    expect(await leases()).toHaveLength(1)
    await role.stop()
  })

  it('told at the very end are written before the reign is given up', async () => {
    const { world, servers, role, leases } = await start([managedNetwork(100)])
    servers.lastWord = kept('10.0.100.100', 1000)
    await role.stop()
    expect(await leases()).toHaveLength(1)
    expect(world.clock.pendingTimers).toBeLessThanOrEqual(world.timersBefore)
  })
})
