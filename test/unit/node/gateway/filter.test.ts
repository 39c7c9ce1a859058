/** The table that keeps the gateways of nodes apart. */
import { describe, expect, it } from 'vitest'
import { type AclRule, NO_ACLS } from '../../../../src/model/network.ts'
import { type AnycastNetwork, gatewayTable, isStateful, routedHere } from '../../../../src/node/gateway/filter.ts'
import { anycastNetwork } from '../network/fixtures.ts'

function network(vni: number, rules: readonly string[] = []): AnycastNetwork {
  const acls = { ...NO_ACLS, in: rules.map((rule): AclRule => ({ description: rule, rule })) }
  return { network: anycastNetwork(vni), acls }
}

/** Lines of one chain. */
function chain(text: string, name: string): readonly string[] {
  const body = new RegExp(`  chain ${name} \\{\\n([^}]*(?:\\}[^\\n][^}]*)*?)  \\}\\n`).exec(text)?.[1]
  return (body ?? '').split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]))
}

const [one, two] = [network(1), network(2)]
const follows = network(3, ['ct state established,related accept', 'drop'])

describe('rules that follow connections', () => {
  it.each([
    ['ct state established accept', true],
    ['tcp dport 22 ct count 5 drop', true],
    ['tcp dport 22 drop', false],
    ['ip daddr 10.0.0.1 accept', false],
  ])('%s: %s', (rule, expected) => {
    expect(isStateful(network(1, [rule]).acls)).toBe(expected)
  })

  it('keep a network, and what is between it and others, with the primary', () => {
    const all = [one, two, follows]
    const numbers = (from: AnycastNetwork) => routedHere(from, all).map(({ vni }) => vni)
    expect(numbers(one)).toEqual([1, 2])
    expect(numbers(follows)).toEqual([3])
  })
})

describe('the table of gateways', () => {
  const guests = chain(gatewayTable([one, two], 'other'), 'net1')

  it('routes between networks here and hands the rest on, services of the gateway too', () => {
    expect(guests).toContain('ip daddr { 10.0.1.1, 10.0.2.1 } meta l4proto icmp accept')
    expect(guests).toContain('ip daddr != { 10.0.1.1, 10.0.2.1 } ip daddr { 10.0.1.0/24, 10.0.2.0/24 } accept')
    expect(guests.at(-1)).toBe('counter ether daddr set 0a:00:00:01:00:00 meta pkttype set other')
  })

  it('hands nothing on at the primary, and drops while nobody is primary', () => {
    expect(gatewayTable([one], 'self')).not.toContain('daddr vmap')
    expect(chain(gatewayTable([one], 'nobody'), 'net1').at(-1)).toBe('counter drop')
  })

  it('takes what others hand on whoever is primary, because one may just have been', () => {
    for (const onward of ['self', 'other', 'nobody'] as const)
      expect(chain(gatewayTable([one], onward), 'from-nodes')).toEqual([
        'iifname "vxlan1" ether daddr 0a:00:00:01:00:00 counter ether daddr set 06:00:00:01:00:00 meta pkttype set host accept',
      ])
  })

  it('lets no question for a gateway and no word of it reach other nodes', () => {
    const text = gatewayTable([one], 'other')
    expect(chain(text, 'pass')).toContain('oifname "vxlan1" arp operation request arp daddr ip 10.0.1.1 counter drop')
    expect(chain(text, 'pass').filter((line) => line.includes('nd-neighbor-solicit'))).toHaveLength(2)
    expect(chain(text, 'leave')).toContain('oifname "vxlan1" arp operation reply arp saddr ip 10.0.1.1 counter drop')
    expect(text).toContain('@th,64,128 0xfe800000000000000000000000000001')
  })

  it('has nothing of a family that a network lacks', () => {
    const { acls, network: both } = one
    const text = gatewayTable([{ acls, network: { ...both, ip6: null } }], 'other')
    expect(text).not.toMatch(/ip6|icmpv6|@th/)
  })
})
