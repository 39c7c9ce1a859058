/** Names of guests: who has which, in which zone, and when its number rises. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type NamedCard,
  nextSerials,
  planZones,
  reverseZones,
  zoneFingerprint,
} from '../../../../src/coordinator/network/dns/plan.ts'
import { contains, parseSubnet, reverseName } from '../../../../src/model/ip.ts'
import { type DhcpLease, type DhcpReservation, MacAddress, type Network, Vni } from '../../../../src/model/network.ts'

const A = MacAddress.parse('52:54:00:00:00:0a')
const B = MacAddress.parse('52:54:00:00:00:0b')
const NS = 'pvc-dns.example.org.'

const network: Network = {
  vni: Vni.parse(100),
  generation: 1,
  description: 'net',
  type: 'managed',
  mtu: null,
  domain: 'net.local',
  nameServers: [],
  ip4: { network: '10.1.2.64/26', gateway: '10.1.2.65', dhcp: null },
  ip6: { network: 'fd00:1::/64', gateway: 'fd00:1::1', dhcp: true },
  gatewayMode: 'primary',
  antiSpoofing: false,
}

const lease = (address: string, hostname: string, mac: MacAddress | undefined = undefined): DhcpLease => {
  return { address, hostname, clientId: `id-${address}`, expiresS: 1, ...(mac === undefined ? {} : { mac }) }
}

function names(leases: DhcpLease[], reservations: DhcpReservation[] = [], cards: NamedCard[] = []): string[] {
  const zones = planZones([{ network, leases, reservations }], cards, NS)
  return zones
    .flatMap(({ records }) => [...records])
    .flatMap(([name, records]) => records.map(({ type, content }) => `${name} ${type} ${content}`))
    .filter((line) => !line.includes(' NS '))
}

describe('zones of addresses', () => {
  it.each([
    ['10.1.2.0/24', ['2.1.10.in-addr.arpa.']],
    ['10.1.2.64/26', ['2.1.10.in-addr.arpa.']],
    ['10.1.4.0/22', ['4.1.10.in-addr.arpa.', '5.1.10.in-addr.arpa.', '6.1.10.in-addr.arpa.', '7.1.10.in-addr.arpa.']],
    ['10.16.0.0/16', ['16.10.in-addr.arpa.']],
    ['fd00:1::/64', ['0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa.']],
  ])('of %s end where a label ends', (text, zones) => {
    expect(reverseZones(text)).toEqual(zones)
  })

  it('hold every address of their network, each in exactly one', () => {
    const text = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 30 }), fc.nat(2 ** 24), fc.nat(), (bits, place, seed) => {
        const size = 2 ** (32 - bits)
        const first = Math.floor((10 * 2 ** 24 + place) / size) * size
        const subnet = `${text(first)}/${bits}`
        const address = text(first + (seed % size))
        const parsed = parseSubnet(subnet)
        if (parsed === undefined || !contains(parsed, address)) return false
        const zones = reverseZones(subnet)
        return zones.filter((zone) => reverseName(address).endsWith(`.${zone}`)).length === 1
      }),
    )
  })
})

describe('the name of a guest', () => {
  it('is that of its lease, forward and backward, in both families', () => {
    expect(names([lease('10.1.2.70', 'Web', A), lease('fd00:1::5', 'web', A)])).toEqual([
      `${reverseName('fd00:1::5')} PTR web.net.local.`,
      '70.2.1.10.in-addr.arpa. PTR web.net.local.',
      'web.net.local. A 10.1.2.70',
      'web.net.local. AAAA fd00:1::5',
    ])
  })

  it('is that of the VM as well, and the VM’s comes first for the address', () => {
    const cards = [{ vm: 'Shop', vni: 100, mac: A }]
    expect(names([lease('10.1.2.70', 'localhost', A)], [], cards)).toEqual([
      '70.2.1.10.in-addr.arpa. PTR shop.net.local.',
      'shop.net.local. A 10.1.2.70',
      'localhost.net.local. A 10.1.2.70',
    ])
  })

  it('belongs to the reservation, then to the VM, then to who gave it itself', () => {
    const reservations = [{ mac: A, address: '10.1.2.80', hostname: 'db' }]
    const cards = [{ vm: 'web', vni: 100, mac: B }]
    const thieves = [lease('10.1.2.70', 'db', B), lease('10.1.2.71', 'web', A), lease('10.1.2.72', 'other')]
    expect(names(thieves, reservations, cards).filter((line) => line.includes(' A '))).toEqual([
      'db.net.local. A 10.1.2.80',
      'db.net.local. A 10.1.2.71',
      'web.net.local. A 10.1.2.70',
      'other.net.local. A 10.1.2.72',
    ])
  })

  it('is none where it could not be a label, and cards on other networks do not count', () => {
    const cards = [{ vm: 'web', vni: 7, mac: A }]
    expect(names([lease('10.1.2.70', 'two.labels', A), lease('10.1.2.71', '', B)], [], cards)).toEqual([])
  })

  it('is none on a bridged network', () => {
    const bridged: Network = { ...network, type: 'bridged' }
    expect(planZones([{ network: bridged, leases: [], reservations: [] }], [], NS)).toEqual([])
  })
})

describe('the serial of a zone', () => {
  const zonesOf = (leases: DhcpLease[]) => planZones([{ network, leases, reservations: [] }], [], NS)
  const forward = 'net.local.'

  it('begins with the time, rises with each change of this zone alone, and stays otherwise', () => {
    const first = nextSerials({ zones: {}, floor: 0 }, zonesOf([]), 1_000_000)
    expect(first.zones[forward]?.serial).toBe(1000)
    expect(nextSerials(first, zonesOf([]), 9_000_000)).toBe(first)
    const second = nextSerials(first, zonesOf([lease('10.1.2.70', 'web', A)]), 9_000_000)
    const rise = Object.fromEntries(
      Object.entries(second.zones).map(([name, { serial }]) => [name, serial - (first.zones[name]?.serial ?? 0)]),
    )
    expect(rise).toEqual({ 'net.local.': 1, '2.1.10.in-addr.arpa.': 1, '0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa.': 0 })
  })

  it('of a zone that comes back is above all it ever had, whatever the clock says', () => {
    const zones = zonesOf([])
    const had = { zones: { [forward]: { serial: 5000, fingerprint: 'x' } }, floor: 0 }
    const without = nextSerials(had, [], 1000)
    expect(without).toEqual({ zones: {}, floor: 5000 })
    expect(nextSerials(without, zones, 1000).zones[forward]?.serial).toBe(5001)
  })

  it('does not depend on the order in which things were learned', () => {
    const [one, two] = [lease('10.1.2.70', 'web', A), lease('10.1.2.71', 'db', B)]
    const print = (leases: DhcpLease[]) => zonesOf(leases).map(zoneFingerprint)
    expect(print([one, two])).toEqual(print([two, one]))
    expect(print([one])).not.toEqual(print([two]))
  })
})
