import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bridgeMac } from '../../../../src/model/gateway.ts'
import { type Link, type LinkChange, OUR_ALIAS } from '../../../../src/model/link.ts'
import type { Network } from '../../../../src/model/network.ts'
import { decideLinks, type NetworkGround, rememberPorts } from '../../../../src/node/network/decide.ts'
import { network } from './fixtures.ts'

const ground: NetworkGround = {
  nodeNumber: 0x0b,
  clusterAddress: '10.90.0.11',
  underlayDevice: 'eth0',
  underlayMtu: 1550,
  bridgeDevice: 'eth1',
  bridgeMtu: 9000,
}

const hardware = (name: string): Link => ({
  name,
  index: 1,
  kind: undefined,
  mac: '',
  mtu: 1550,
  isUp: true,
  master: undefined,
  alias: '',
  tag: undefined,
})
const host = ['lo', 'eth0', 'eth1'].map(hardware)

/** What the kernel would make of the changes. */
function play(links: readonly Link[], changes: readonly LinkChange[]): readonly Link[] {
  const now = new Map(links.map((link) => [link.name, link]))
  for (const change of changes) {
    const { name } = change
    const present = now.get(name)
    if (change.kind === 'remove') {
      if (present === undefined) throw new Error(`${name} is not there`)
      now.delete(name)
    } else if (change.kind === 'set') {
      if (present === undefined) throw new Error(`${name} is not there`)
      if (change.to.master !== undefined && !now.has(change.to.master)) throw new Error(`no ${change.to.master}`)
      now.set(name, { ...present, ...change.to })
    } else if (change.kind !== 'set-vf') {
      if (present !== undefined) throw new Error(`${name} is there`)
      const tag =
        change.kind === 'add-bridge'
          ? undefined
          : { id: change.id, device: change.device, local: 'local' in change ? change.local : undefined }
      const mac = change.kind === 'add-bridge' ? change.mac : ''
      now.set(name, { ...hardware(name), kind: change.kind.slice(4), mac, isUp: false, tag })
    }
  }
  return [...now.values()]
}

describe('links of networks', () => {
  it('a managed network is a tunnel in a bridge, 50 bytes smaller than the cluster network', () => {
    const { changes, settings, problems } = decideLinks([network(100)], host, ground)
    expect(problems).toEqual([])
    expect(changes).toEqual([
      { kind: 'add-bridge', name: 'vmbr100', mac: '02:00:00:64:00:0b' },
      {
        kind: 'set',
        name: 'vmbr100',
        to: { mac: '02:00:00:64:00:0b', mtu: 1500, isUp: true, alias: `${OUR_ALIAS}100` },
      },
      { kind: 'add-vxlan', name: 'vxlan100', id: 100, device: 'eth0', local: '10.90.0.11' },
      { kind: 'set', name: 'vxlan100', to: { mtu: 1500, isUp: true, master: 'vmbr100', alias: `${OUR_ALIAS}100` } },
    ])
    expect(settings).toContainEqual({ key: 'net/ipv6/conf/vmbr100/ndisc_notify', value: '1' })
  })

  it('one with its gateway on every node has the same MAC on each, and does not learn from the tunnel', () => {
    const anycast = network(100, { gatewayMode: 'anycast' })
    const { changes, settings } = decideLinks([anycast], host, ground)
    const made = play(host, changes)
    const named = (name: string) => made.find((link) => link.name === name)
    expect(named('vmbr100')?.mac).toBe('06:00:00:64:00:00')
    expect(named('vxlan100')?.learning).toBe(false)
    expect(settings).toContainEqual({ key: 'net/ipv4/conf/vmbr100/arp_accept', value: '1' })
    expect(decideLinks([anycast], made, ground).changes).toEqual([])
    const unplugged = made.map((link) => (link.name === 'vxlan100' ? { ...link, master: undefined } : link))
    expect(decideLinks([anycast], unplugged, ground).changes).toEqual([
      { kind: 'set', name: 'vxlan100', to: { master: 'vmbr100', learning: false } },
    ])
    expect(decideLinks([network(100)], made, ground).changes).toEqual([
      { kind: 'set', name: 'vmbr100', to: { mac: '02:00:00:64:00:0b' } },
      { kind: 'set', name: 'vxlan100', to: { learning: true } },
    ])
  })

  it('a bridged network is a VLAN in a bridge, and the host has no address in it', () => {
    const { changes, settings } = decideLinks([network(7, { type: 'bridged', mtu: 1400 })], host, ground)
    expect(changes).toContainEqual({ kind: 'add-vlan', name: 'vlan7', id: 7, device: 'eth1' })
    expect(settings.filter(({ key }) => !key.startsWith('net/bridge/'))).toEqual([
      { key: 'net/ipv6/conf/vmbr7/disable_ipv6', value: '1' },
      { key: 'net/ipv6/conf/vlan7/disable_ipv6', value: '1' },
    ])
  })

  it('the host forwards only what its networks need, and touches nothing without any', () => {
    const ip4 = { network: '10.1.0.0/24', gateway: null, dhcp: null }
    const ip6 = { network: 'fd00:1::/64', gateway: null, dhcp: false }
    const forwards = (...networks: readonly Network[]) =>
      decideLinks(networks, host, ground).settings.flatMap(({ key }) => (key.includes('forward') ? [key] : []))
    expect(forwards(network(1))).toEqual([])
    expect(forwards(network(1, { ip4 }))).toEqual(['net/ipv4/ip_forward'])
    expect(forwards(network(1, { ip4, ip6 }))).toEqual(['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding'])
    expect(decideLinks([], host, ground).settings).toEqual([])
  })

  it('what cannot be had is said, and the rest is made', () => {
    const bare = { ...ground, bridgeDevice: undefined, underlayDevice: 'gone0' }
    const { changes, problems } = decideLinks([network(5, { type: 'bridged' }), network(6)], host, bare)
    expect(changes).toEqual([])
    expect(problems.map(({ message }) => message)).toEqual([
      'Network 5 cannot be had on this node: network.bridgeDevice is not set in its configuration.',
      'Network 6 cannot be had on this node: its device gone0 (network.underlayDevice) does not exist.',
    ])
    const strange = [...host, { ...hardware('vmbr6'), kind: 'dummy' }]
    expect(decideLinks([network(6)], strange, ground).problems[0]?.message).toContain('that is no bridge')
  })

  it('a device of nobody is not removed, one of ours is, bridge last', () => {
    const made = play(host, decideLinks([network(100)], host, ground).changes)
    const links = [...made, { ...hardware('vmbr9'), kind: 'bridge' }]
    expect(decideLinks([], links, ground).changes).toEqual([
      { kind: 'remove', name: 'vxlan100' },
      { kind: 'remove', name: 'vmbr100' },
    ])
  })

  it('a guest that lost its bridge is plugged in again, one that was never there is not', () => {
    const tap = (index: number, master?: string): Link => ({ ...hardware(`vnet${index}`), index, kind: 'tun', master })
    const made = play(host, decideLinks([network(100)], host, ground).changes)
    const ports = rememberPorts(new Map(), [...made, tap(7, 'vmbr100'), tap(8), tap(9, 'br0')])
    const after = [...host, tap(7), tap(8), tap(9)]
    const { changes } = decideLinks([network(100)], after, ground, rememberPorts(ports, after))
    expect(changes.filter(({ name }) => name.startsWith('vnet'))).toEqual([
      { kind: 'set', name: 'vnet7', to: { master: 'vmbr100' } },
    ])
    expect(play(after, changes).find(({ name }) => name === 'vnet7')?.master).toBe('vmbr100')
    expect(rememberPorts(ports, [tap(10)]).size).toBe(0)
  })

  it('bridges of one network differ between nodes, and of one node between networks', () => {
    fc.assert(
      fc.property(
        fc.tuple(fc.integer({ min: 1, max: 0xfffffe }), fc.nat(0xffff)),
        fc.tuple(fc.integer({ min: 1, max: 0xfffffe }), fc.nat(0xffff)),
        (a, b) => {
          expect(bridgeMac(...a) === bridgeMac(...b)).toBe(a[0] === b[0] && a[1] === b[1])
          expect(bridgeMac(...a)).toMatch(/^02(:[0-9a-f]{2}){5}$/)
        },
      ),
    )
  })

  it('from any beginning two rounds make what is wanted, and the next finds nothing to do', () => {
    const kinds = fc.constantFrom('bridge', 'vxlan', 'vlan')
    const leftover = fc.record({
      index: fc.constant(2),
      name: fc
        .tuple(fc.constantFrom('vmbr', 'vxlan', 'vlan'), fc.integer({ min: 1, max: 6 }))
        .map(([a, b]) => `${a}${b}`),
      kind: kinds,
      mtu: fc.constantFrom(1400, 1500, 9000),
      isUp: fc.boolean(),
      master: fc.constantFrom(undefined, 'vmbr1', 'vmbr2'),
      alias: fc.constantFrom('', `${OUR_ALIAS}1`, `${OUR_ALIAS}2`),
      mac: fc.constantFrom('', '02:00:00:01:00:0b'),
      tag: fc.constantFrom(
        undefined,
        { id: 1, device: 'eth0', local: '10.90.0.11' },
        { id: 2, device: 'eth1', local: undefined },
      ),
    })
    const wanted = fc.uniqueArray(fc.record({ vni: fc.integer({ min: 1, max: 6 }), isBridged: fc.boolean() }), {
      selector: ({ vni }) => vni,
    })
    fc.assert(
      fc.property(fc.uniqueArray(leftover, { selector: ({ name }) => name }), wanted, (left, nets) => {
        const networks = nets.map(({ vni, isBridged }) => network(vni, { type: isBridged ? 'bridged' : 'managed' }))
        const before: readonly Link[] = [...host, ...left]
        const once = play(before, decideLinks(networks, before, ground).changes)
        const after = play(once, decideLinks(networks, once, ground).changes)
        const again = decideLinks(networks, after, ground)
        expect(again.changes).toEqual([])
        for (const { name } of host) expect(after.some((link) => link.name === name)).toBe(true)
        const foreign = left.filter(
          ({ name, alias }) => alias === '' && !networks.some(({ vni }) => name.endsWith(String(vni))),
        )
        for (const { name } of foreign) expect(after.some((link) => link.name === name)).toBe(true)
      }),
    )
  })
})
