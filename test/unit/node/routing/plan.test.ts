import { describe, expect, it } from 'vitest'
import { Network } from '../../../../src/model/network.ts'
import { isReplaceable, OUR_MARK, type RoutingGround, routingConfiguration } from '../../../../src/node/routing/plan.ts'

const ground: RoutingGround = {
  node: 'hv1',
  address: '10.90.0.11',
  asn: 65500,
  isCoordinator: true,
  coordinators: ['10.90.0.13', '10.90.0.12'],
  range: '10.90.0.0/24',
  upstream: [],
  networks: [],
  isPrimary: false,
}

function network(vni: number, over: object): Network {
  const base = { vni, generation: 1, description: `net${vni}`, mtu: null, domain: 'd', nameServers: [] }
  return Network.parse({ ...base, type: 'managed', ip4: null, ip6: null, ...over })
}

const ip4 = { network: '10.1.0.0/24', gateway: '10.1.0.1', dhcp: null }
const ip6 = { network: 'fd00:1::/64', gateway: 'fd00:1::1', dhcp: false }

describe('the configuration of FRR', () => {
  it('of a coordinator names the others, lets all nodes connect and reflects their routes', () => {
    const lines = routingConfiguration(ground).split('\n')
    expect(lines[0]).toBe(OUR_MARK)
    expect(lines).toEqual(
      expect.arrayContaining([
        'router bgp 65500',
        ' bgp router-id 10.90.0.11',
        ' neighbor 10.90.0.12 peer-group fabric',
        ' neighbor 10.90.0.13 peer-group fabric',
        ' bgp listen range 10.90.0.0/24 peer-group nodes',
        '  neighbor nodes route-reflector-client',
        '  advertise-all-vni',
      ]),
    )
  })

  it('of any other node names the coordinators and lets nobody connect', () => {
    const text = routingConfiguration({ ...ground, isCoordinator: false, upstream: [{ address: '10.9.0.1', asn: 1 }] })
    expect(text).not.toMatch(/listen range|nodes|route-map|10\.9\.0\.1/)
  })

  it('is the same whatever the order of what it follows from', () => {
    const other = { ...ground, coordinators: ground.coordinators.toReversed() }
    expect(routingConfiguration(other)).toBe(routingConfiguration(ground))
  })

  it('announces networks of guests to routers outside, and takes nothing from them', () => {
    const inward = { network: '10.2.0.0/24', gateway: null, dhcp: null }
    const networks = [network(5, { ip4, ip6 }), network(6, { type: 'bridged' }), network(7, { ip4: inward })]
    const upstream = [
      { address: '10.9.0.1', asn: 65001 },
      { address: 'fd09::1', asn: 65001 },
    ]
    const text = routingConfiguration({ ...ground, networks, upstream })
    expect(text).toContain('ip prefix-list PVC4 seq 10 permit 10.1.0.0/24\n')
    expect(text).toContain('ipv6 prefix-list PVC6 seq 10 permit fd00:1::/64\n')
    expect(text).toContain(' address-family ipv4 unicast\n  redistribute connected route-map PVC4\n')
    expect(text).toContain('  neighbor 10.9.0.1 route-map PVC4 out\n  neighbor 10.9.0.1 route-map PVC-NOTHING in\n')
    expect(text).toContain('  neighbor fd09::1 route-map PVC6 out\n')
    expect(text).not.toContain('  neighbor fd09::1 route-map PVC4')
    expect(text).not.toContain('10.2.0.0')
    for (const { address } of upstream) {
      expect(text).toContain(` neighbor ${address} timers 1 3\n`)
      expect(text).toContain(` neighbor ${address} advertisement-interval 0\n`)
    }
  })

  it('tells the address of a gateway that one node has, and not of one that all have', () => {
    const anycast = network(7, { ip4: { ...ip4, network: '10.7.0.0/24' }, gatewayMode: 'anycast' })
    const text = routingConfiguration({ ...ground, networks: [network(5, { ip4 }), anycast] })
    expect(text).toContain('  advertise-all-vni\n  vni 5\n   advertise-svi-ip\n  exit-vni\n exit-address-family\n')
    expect(routingConfiguration(ground)).toContain('\n  advertise-svi-ip\n')
  })

  it('announces a network that every node routes from the primary only', () => {
    const networks = [network(5, { ip4, gatewayMode: 'anycast' })]
    const upstream = [{ address: '10.9.0.1', asn: 65001 }]
    const text = (isPrimary: boolean) => routingConfiguration({ ...ground, networks, upstream, isPrimary })
    expect(text(true)).toContain('permit 10.1.0.0/24')
    expect(text(false)).not.toContain('10.1.0.0')
  })

  it('does not change with a network when nobody outside is told', () => {
    expect(routingConfiguration({ ...ground, networks: [network(5, { ip4 })] })).toBe(routingConfiguration(ground))
  })
})

describe('a configuration that is there', () => {
  it.each([
    ['nothing', '', true],
    ['ours', routingConfiguration(ground), true],
    ["Debian's", '# default to using syslog.\n#\nlog syslog informational\n', true],
    ['one that vtysh wrote of nothing', '!\nfrr version 8.4.4\nfrr defaults traditional\nhostname x\n!\nend\n', true],
    ["somebody's", 'frr defaults traditional\nrouter ospf\n network 10.0.0.0/8 area 0\n', false],
  ])('%s', (_, text, isOurs) => expect(isReplaceable(text)).toBe(isOurs))
})
