import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NodeName } from '../../src/model/ids.ts'
import { MAX_VNI } from '../../src/model/network.ts'
import { tree } from '../../src/schema/tree.ts'
import { define, startCluster, type TestCluster, vmXml } from './cluster.ts'

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
})
afterEach(() => cluster.close())

const managed = {
  vni: '900',
  description: 'managed900',
  nettype: 'managed',
  mtu: '1400',
  domain: 'm900.local',
  name_servers: '10.9.0.2',
  ip4_network: '10.9.0.0/24',
  ip4_gateway: '10.9.0.1',
  dhcp4: 'True',
  dhcp4_start: '10.9.0.100',
  dhcp4_end: '10.9.0.200',
}
const add = (args = {}) => cluster.call('POST', '/network', { ...managed, ...args })
const messages = (body: unknown) => (body as { message: Record<string, string> }).message

describe('networks', () => {
  it('are added, listed and shown as ever', async () => {
    expect(await add()).toMatchObject({ status: 200, body: { message: "Network 'managed900' added successfully!" } })
    const bridged = { vni: '901', description: 'bridged901', nettype: 'bridged', mtu: '', dhcp4: 'False' }
    expect((await cluster.call('POST', '/network', bridged)).status).toBe(200)
    const { body } = await cluster.call('GET', '/network')
    expect(body).toEqual([
      {
        vni: 900,
        description: 'managed900',
        type: 'managed',
        mtu: '1400',
        domain: 'm900.local',
        name_servers: ['10.9.0.2'],
        ip4: {
          network: '10.9.0.0/24',
          gateway: '10.9.0.1',
          dhcp_flag: 'True',
          dhcp_start: '10.9.0.100',
          dhcp_end: '10.9.0.200',
        },
        ip6: { network: '', gateway: '', dhcp_flag: 'False' },
        gateway_mode: 'primary',
        anti_spoofing: false,
      },
      {
        vni: 901,
        description: 'bridged901',
        type: 'bridged',
        mtu: '',
        domain: '',
        name_servers: [],
        ip4: { network: '', gateway: '', dhcp_flag: 'False', dhcp_start: '', dhcp_end: '' },
        ip6: { network: '', gateway: '', dhcp_flag: 'False' },
        gateway_mode: 'primary',
        anti_spoofing: false,
      },
    ])
    expect((await cluster.call('GET', '/network', { limit: '901|x' })).body).toMatchObject([{ vni: 901 }])
    expect((await cluster.call('GET', '/network/900')).body).toMatchObject([{ vni: 900 }])
    expect(await cluster.call('GET', '/network/7')).toMatchObject({
      status: 404,
      body: { message: "Network '7' not found." },
    })
    expect((await cluster.call('GET', '/status')).body).toMatchObject({ networks: 2 })
    expect(
      (await add({ description: 'other', domain: 'other', ip4_network: '10.8.0.0/24', ip4_gateway: '', dhcp4: 'no' }))
        .status,
    ).toBe(400)
  })

  it('take the usual values where none are given', async () => {
    const plain = { vni: '5', description: 'Net Five', nettype: 'managed', ip6_network: 'fd00:5::/64' }
    expect((await cluster.call('POST', '/network/5', plain)).status).toBe(200)
    expect((await cluster.call('GET', '/network/5')).body).toMatchObject([
      { domain: 'net-five.local', mtu: '', ip6: { network: 'fd00:5::/64', gateway: 'fd00:5::1', dhcp_flag: 'True' } },
    ])
  })

  it.each([
    ['ip4_gateway', { ip4_gateway: '10.9.1.1' }, 'must be an address of a host in 10.9.0.0/24'],
    ['ip4_gateway', { ip4_gateway: '10.9.0.255' }, 'must be an address of a host in 10.9.0.0/24'],
    ['ip4_network', { ip4_network: '10.9.0.5/24' }, 'must be an IPv4 network'],
    ['ip4_network', { ip4_network: '' }, 'must be an IPv4 network'],
    ['dhcp4_start', { dhcp4_start: '10.9.0.0' }, 'must be an address of a host'],
    ['dhcp4_end', { dhcp4_end: '10.9.0.99' }, 'must not come before'],
    ['dhcp4_start', { ip4_gateway: '10.9.0.150' }, 'must not hold the gateway'],
    ['mtu', { mtu: '1500' }, 'must be from 576 to 1450'],
    ['name_servers', { name_servers: 'ns1' }, 'must be IP addresses'],
    ['domain', { domain: 'a..b' }, 'must be a domain name'],
    ['ip6_network', { ip6_network: 'fd00::/48' }, 'of 64 bits'],
    ['ip6_network', { ip6_network: 'fe80::/64' }, 'link-local'],
    ['vni', { vni: String(MAX_VNI + 1) }, 'whole number'],
    ['nettype', { nettype: 'other' }, 'one of'],
    ['gateway_mode', { gateway_mode: 'anycast', ip4_gateway: '', dhcp4: 'false' }, 'needs ip4_gateway'],
    ['gateway_mode', { gateway_mode: 'anycast', vni: '50', nettype: 'bridged' }, 'does not belong'],
    ['vni', { vni: '5000', nettype: 'bridged' }, 'is a VLAN'],
  ])('refuse a bad %s and write nothing', async (argument, args, text) => {
    const { status, body } = await add(args)
    expect(status).toBe(400)
    expect(messages(body)[argument]).toContain(text)
    expect((await cluster.call('GET', '/network')).body).toEqual([])
  })

  it('do not overlap, and have names of their own', async () => {
    await add()
    const { body } = await add({ vni: '901', ip4_network: '10.9.0.128/25', ip4_gateway: '10.9.0.129', dhcp4: 'no' })
    expect(messages(body)).toMatchObject({
      description: expect.stringContaining('already that of network 900'),
      domain: expect.stringContaining('already that of network 900'),
      ip4_network: expect.stringContaining('overlaps with 10.9.0.0/24 of network 900'),
    })
  })

  it.each([
    ['10.0.1.0/24', "10.0.1.0/24, the hosts' cluster network"],
    ['10.0.0.0/14', "10.0.1.0/24, the hosts' cluster network"],
    ['10.0.2.0/30', '10.0.2.1/32, a storage address of node hv1'],
    ['10.0.3.0/24', '10.0.3.1/32, a ZooKeeper server'],
  ])('do not hide the hosts from each other (%s)', async (network, text) => {
    const hidden = { ip4_network: network, ip4_gateway: '', dhcp4: 'no', dhcp4_start: '', dhcp4_end: '' }
    const { status, body } = await add(hidden)
    expect(status).toBe(400)
    expect(messages(body)['ip4_network']).toBe(
      `ip4_network would hide ${text}, from the nodes; choose a network that the hosts do not use`,
    )
    await add()
    const change = await cluster.call('PUT', '/network/900', hidden)
    expect(messages(change.body)['ip4_network']).toContain(text)
    expect((await cluster.call('GET', '/network/900')).body).toMatchObject([{ ip4: { network: '10.9.0.0/24' } }])
  })

  it('do not hide them in IPv6 either', async () => {
    const { body } = await add({ ip6_network: 'fd00:f::/64' })
    expect(messages(body)['ip6_network']).toContain("fd00:f::/64, the hosts' upstream network")
    expect((await add({ ip6_network: 'fd00:e::/64' })).status).toBe(200)
  })

  it('can be changed in other ways when hosts got addresses in them later', async () => {
    await add()
    await cluster.change(tree.node(NodeName.parse('hv1')).status, (node) => ({ ...node, clusterAddr: '10.9.0.77' }))
    expect((await cluster.call('PUT', '/network/900', { description: 'b' })).status).toBe(200)
    const { body } = await cluster.call('PUT', '/network/900', { ip4_network: '10.9.0.0/23' })
    expect(messages(body)['ip4_network']).toContain('the cluster address of node hv1')
  })

  it('are changed only where something is given; empty clears', async () => {
    await add()
    const change = (args: object) => cluster.call('PUT', '/network/900', { ...args })
    expect(await change({ description: 'b', mtu: '1300' })).toMatchObject({
      body: { message: "Network '900' modified successfully!" },
    })
    await change({ dhcp4: 'False', name_servers: '' })
    expect((await cluster.call('GET', '/network/900')).body).toMatchObject([
      {
        description: 'b',
        mtu: '1300',
        name_servers: [],
        ip4: { gateway: '10.9.0.1', dhcp_flag: 'False', dhcp_start: '' },
      },
    ])
    await change({ mtu: '', ip4_network: '', ip4_gateway: '' })
    expect((await cluster.call('GET', '/network/900')).body).toMatchObject([{ mtu: '', ip4: { network: '' } }])
    expect((await change({ mtu: '9000' })).status).toBe(400)
    expect((await cluster.call('PUT', '/network/7', { mtu: '1400' })).status).toBe(404)
  })

  it('in use are removed by force only', async () => {
    await add({ vni: '100', description: 'lan', domain: 'lan' })
    await define(cluster, 'web')
    expect(await cluster.call('DELETE', '/network/100')).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('in use by web') },
    })
    expect((await cluster.call('DELETE', '/network/100', { force: 'True' })).status).toBe(200)
    expect((await cluster.call('GET', '/network')).body).toEqual([])
    expect((await add({ vni: '100', description: 'lan', domain: 'lan' })).status).toBe(200)
  })
})

describe('reservations', () => {
  const reserve = (args = {}) =>
    cluster.call('POST', '/network/900/lease', {
      macaddress: '52:54:00:AA:bb:cc',
      ipaddress: '10.9.0.50',
      hostname: 'hosta',
      ...args,
    })
  beforeEach(() => add())

  it('are added, listed and removed', async () => {
    expect(await reserve()).toMatchObject({
      body: { message: "DHCP reservation '52:54:00:aa:bb:cc' added successfully!" },
    })
    const shown = { hostname: 'hosta', ip4_address: '10.9.0.50', mac_address: '52:54:00:aa:bb:cc', timestamp: 'static' }
    expect((await cluster.call('GET', '/network/900/lease', { static: 'True' })).body).toEqual([shown])
    expect((await cluster.call('GET', '/network/900/lease/52:54:00:aa:bb:cc')).body).toEqual([shown])
    expect((await reserve({ ipaddress: '10.9.0.51' })).body).toMatchObject({
      message: expect.stringContaining('exists already'),
    })
    expect(await cluster.call('DELETE', '/network/900/lease/52:54:00:aa:bb:cc')).toMatchObject({
      status: 200,
      body: { message: "DHCP static reservation '52:54:00:aa:bb:cc' removed successfully!" },
    })
    expect((await cluster.call('DELETE', '/network/900/lease/52:54:00:aa:bb:cc')).status).toBe(404)
  })

  it.each([
    ['ipaddress', { ipaddress: '10.9.1.5' }, 'must lie in 10.9.0.0/24'],
    ['ipaddress', { ipaddress: '10.9.0.1' }, 'not the network or its gateway'],
    ['macaddress', { macaddress: '52:54' }, 'must be a MAC address'],
    ['hostname', { hostname: 'a b' }, 'one label'],
  ])('refuse a bad %s', async (argument, args, text) => {
    const { status, body } = await reserve(args)
    expect([status, messages(body)[argument]]).toEqual([400, expect.stringContaining(text)])
  })
})

describe('rules', () => {
  const rule = (args = {}) =>
    cluster.call('POST', '/network/900/acl', { description: 'allow ssh', rule: 'tcp dport 22 accept', ...args })
  beforeEach(() => add())

  it('keep their order and direction', async () => {
    await rule()
    await rule({ description: 'second' })
    await rule({ description: 'first', order: '0' })
    await rule({ description: 'out one', direction: 'out' })
    const { body } = await cluster.call('GET', '/network/900/acl')
    expect(
      (body as { direction: string; order: number; description: string }[]).map((acl) => [
        acl.direction,
        acl.order,
        acl.description,
      ]),
    ).toEqual([
      ['in', 0, 'first'],
      ['in', 1, 'allow ssh'],
      ['in', 2, 'second'],
      ['out', 0, 'out one'],
    ])
    expect((await cluster.call('GET', '/network/900/acl', { direction: 'out' })).body).toMatchObject([
      { description: 'out one' },
    ])
    expect((await cluster.call('GET', '/network/900/acl/allow%20ssh')).body).toMatchObject([
      { rule: 'tcp dport 22 accept' },
    ])
    expect((await rule()).body).toMatchObject({ message: expect.stringContaining('exists already') })
    expect(await cluster.call('DELETE', '/network/900/acl/allow%20ssh')).toMatchObject({
      body: { message: "Firewall rule 'allow ssh' removed successfully!" },
    })
    expect((await cluster.call('DELETE', '/network/900/acl/allow%20ssh')).status).toBe(404)
  })

  it.each([
    ['tcp nonsense', 'is refused by nftables: syntax error, unexpected nonsense'],
    ['drop } chain x { accept', 'braces'],
    ['drop; flush ruleset', 'semicolon'],
    ['drop\nflush ruleset', 'one line'],
    ['drop # all', 'number sign'],
  ])('that are none are refused: %s', async (text, words) => {
    const { status, body } = await rule({ rule: text })
    expect([status, messages(body)['rule']]).toEqual([400, expect.stringContaining(words)])
    expect((await cluster.call('GET', '/network/900/acl')).body).toEqual([])
  })
})

describe('a VM on a network that does not exist', () => {
  const xml = vmXml('web').replace(
    '</devices>',
    "<interface type='bridge'><source bridge='vmbr900'/></interface></devices>",
  )
  const warnings = ["Network 900 does not exist: the VM cannot start before it is added with 'pvc network add 900'."]

  it('is defined and changed with a warning, until the network is there', async () => {
    const defined = await cluster.call('POST', '/vm', { node: 'hv1' }, { form: { xml } })
    expect(defined).toMatchObject({ status: 200, body: { warnings: expect.arrayContaining(warnings) } })
    const changed = await cluster.call('PUT', '/vm/web', { restart: 'false' }, { form: { xml } })
    expect(changed).toMatchObject({ status: 200, body: { warnings: expect.arrayContaining(warnings) } })
    await add()
    const { body } = await cluster.call('PUT', '/vm/web', { restart: 'false' }, { form: { xml } })
    expect(JSON.stringify(body)).not.toContain('Network 900')
  })
})
