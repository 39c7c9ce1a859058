/** The gateways of guest networks: on the primary alone, and without a gap when it changes. */
import { describe, expect, it } from 'vitest'
import { FakeHostNetwork } from '../../../../src/adapters/fake/host-network.ts'
import { createGatewayRole } from '../../../../src/coordinator/network/gateway/role.ts'
import { gatewayAddresses } from '../../../../src/model/gateway.ts'
import type { Network } from '../../../../src/model/network.ts'
import type { HostAddress } from '../../../../src/ports/network.ts'
import { managedNetwork, NetworkWorld } from './network-world.ts'

const V4: Network = managedNetwork(100)
const BOTH: Network = managedNetwork(101, { ip6: { network: 'fd00:1::/64', gateway: 'fd00:1::1', dhcp: true } })

const text = (addresses: readonly HostAddress[]) =>
  addresses.map((each) => `${each.address}/${each.prefix} ${each.device}`)

describe('gateway addresses', () => {
  it('are those of managed networks, with the one link-local address where there is IPv6', () => {
    const bridged: Network = { ...managedNetwork(102), type: 'bridged' }
    const bare: Network = { ...managedNetwork(103), ip4: null }
    expect(text(gatewayAddresses([V4, BOTH, bridged, bare], 'primary'))).toEqual([
      '10.0.100.1/24 vmbr100',
      '10.0.101.1/24 vmbr101',
      'fe80::1/64 vmbr101',
      'fd00:1::1/64 vmbr101',
    ])
  })
})

async function start(networks: readonly Network[], drainMs = 0) {
  const world = await NetworkWorld.create(networks)
  const network = new FakeHostNetwork()
  const written: (readonly HostAddress[])[] = []
  const record = {
    read: async () => written.at(-1) ?? [],
    write: async (those: readonly HostAddress[]) => void written.push(those),
  }
  const { index, clock, log } = world
  const role = createGatewayRole({ index, network, record, drainMs, clock, log })
  return { world, network, written, role }
}

describe('the role of gateways', () => {
  it('carries them as the networks come, change and go, and gives all up', async () => {
    const { world, network, role } = await start([V4])
    await role.start(world.reign)
    expect(text(network.present())).toEqual(['10.0.100.1/24 vmbr100'])
    await world.add(BOTH)
    await world.change(100, (one) => ({ ...one, ip4: { network: '10.0.100.0/25', gateway: '10.0.100.2', dhcp: null } }))
    expect(text(network.present()).sort()).toEqual([
      '10.0.100.2/25 vmbr100',
      '10.0.101.1/24 vmbr101',
      'fd00:1::1/64 vmbr101',
      'fe80::1/64 vmbr101',
    ])
    await world.remove(101)
    expect(text(network.present())).toEqual(['10.0.100.2/25 vmbr100'])
    await role.stop()
    expect(network.present()).toEqual([])
    expect(network.announced.every(({ signal }) => signal.aborted)).toBe(true)
  })

  it('goes on passing packets on for a while when routers outside have to hear that it is over', async () => {
    const { world, network, role } = await start([BOTH], 300)
    await role.start(world.reign)
    const stopped = role.stop()
    await world.clock.advance(299)
    expect([network.present(), text(network.retired)]).toEqual([[], text(gatewayAddresses([BOTH], 'primary'))])
    await world.clock.advance(1)
    await stopped
    expect(network.retired).toEqual([])
  })

  it('has written down what it is about to add, for a daemon that dies', async () => {
    const { world, network, written, role } = await start([V4])
    const add = network.add.bind(network)
    network.add = async (addresses) => {
      expect(text(written.at(-1) ?? [])).toEqual(text(addresses))
      return add(addresses)
    }
    await role.start(world.reign)
    expect(text(written.at(-1) ?? [])).toEqual(['10.0.100.1/24 vmbr100'])
    await role.stop()
  })

  it('takes them before a handover and tells the guests; without the handover it gives them back', async () => {
    const { world, network, role } = await start([BOTH])
    await role.prepare?.(true)
    expect(network.present()).toHaveLength(3)
    expect(network.announced).toHaveLength(1)
    await role.stop()
    expect(network.present()).toEqual([])
    await role.prepare?.(true)
    await role.start(world.reign)
    // Those of IPv6 are there already: the guests hear of them when they go and come.
    expect(text(network.renewed)).toEqual(['fe80::1/64 vmbr101', 'fd00:1::1/64 vmbr101'])
    await world.clock.advance(20_000)
    expect(network.present()).toHaveLength(3)
    await role.stop()
  })

  it('tells the guests again when the successor it had named does not take over', async () => {
    const { world, network, role } = await start([BOTH])
    await role.start(world.reign)
    role.hush?.()
    expect(network.announced.map(({ signal }) => signal.aborted)).toEqual([true])
    await role.reclaim?.()
    expect(network.announced.map(({ signal }) => signal.aborted)).toEqual([true, false])
    expect(text(network.announced[1]?.addresses ?? [])).toEqual(text(network.present()))
    expect(text(network.renewed)).toEqual(['fe80::1/64 vmbr101', 'fd00:1::1/64 vmbr101'])
    await role.stop()
  })

  it('waits for the bridge of a new network, and says what is missing when it does not come', async () => {
    const { world, network, role } = await start([V4, BOTH])
    network.devices = new Set(['vmbr101'])
    await role.start(world.reign)
    expect(network.present()).toHaveLength(3)
    expect(role.problem?.()).toBeUndefined()
    await world.clock.advance(4000)
    expect(role.problem?.()).toMatch(/^gateways are missing: 10\.0\.100\.1 on vmbr100 \(.*Cannot find device/)
    network.devices.add('vmbr100')
    await world.clock.advance(300)
    expect(role.problem?.()).toBeUndefined()
    await role.stop()
    expect(world.clock.pendingTimers).toBeLessThanOrEqual(world.timersBefore)
  })

  it('leaves those alone that every node has, and tells of one that comes back from there', async () => {
    const { world, network, written, role } = await start([V4])
    await role.start(world.reign)
    await world.change(100, (one) => ({ ...one, gatewayMode: 'anycast' }))
    expect(text(network.present())).toEqual(['10.0.100.1/24 vmbr100'])
    expect(written.at(-1)).toEqual([])
    expect(network.announced).toHaveLength(1)
    await world.change(100, (one) => ({ ...one, gatewayMode: 'primary' }))
    expect(network.announced).toHaveLength(2)
    await world.change(100, (one) => ({ ...one, gatewayMode: 'anycast' }))
    await role.stop()
    expect(text(network.present())).toEqual(['10.0.100.1/24 vmbr100'])
  })

  it('puts back what somebody removed', async () => {
    const { world, network, role } = await start([V4])
    await role.start(world.reign)
    network.addresses = []
    await world.clock.advance(11_000)
    expect(network.present()).toHaveLength(1)
    await role.stop()
  })
})
