/** The table that keeps the gateways of nodes apart. */
import { describe, expect, it } from 'vitest'
import { type AclRule, NO_ACLS } from '../../../../src/model/network.ts'
import { type AnycastNetwork, gatewayTable, isStateful } from '../../../../src/node/gateway/filter.ts'
import { anycastNetwork } from '../network/fixtures.ts'

function network(vni: number, rules: readonly string[] = []): AnycastNetwork {
  const acls = { ...NO_ACLS, in: rules.map((rule): AclRule => ({ description: rule, rule })) }
  return { network: anycastNetwork(vni), acls }
}

/** Lines of one chain. */
function chain(text: string, name: string): readonly string[] {
  const body = text.split(`  chain ${name} {\n`)[1]?.split('\n  }\n')[0]
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
    const text = gatewayTable([one, two, follows], 'other')
    expect(chain(text, 'near')[0]).toMatch(/ip daddr \{ 10\.0\.1\.0\/24, 10\.0\.2\.0\/24 \} accept$/)
    expect(chain(text, 'net1')).toContain('jump near')
    expect(chain(text, 'net3')).not.toContain('jump near')
    expect(chain(text, 'net3')).toContain('ip daddr != { 10.0.3.1 } ip daddr { 10.0.3.0/24 } accept')
  })
})

describe('the table of gateways', () => {
  const guests = chain(gatewayTable([one, two], 'other'), 'net1')

  it('routes between networks here and hands the rest on, services of the gateway too', () => {
    const text = gatewayTable([one, two], 'other')
    const near = 'ip daddr != { 10.0.1.1, 10.0.2.1 } ip daddr { 10.0.1.0/24, 10.0.2.0/24 } accept'
    expect(chain(text, 'pings')).toContain('ip daddr { 10.0.1.1, 10.0.2.1 } meta l4proto icmp accept')
    expect(chain(text, 'near')).toContain(near)
    expect(guests.slice(0, -1)).toEqual(['ether type arp accept', 'jump pings', 'jump near'])
    expect(guests.at(-1)).toBe('counter ether daddr set 0a:00:00:01:00:00 meta pkttype set other')
  })

  it('hands nothing on at the primary, and drops while nobody is primary', () => {
    expect(gatewayTable([one], 'self')).not.toMatch(/set other|jump net1/)
    expect(chain(gatewayTable([one], 'nobody'), 'net1').at(-1)).toBe('counter drop')
  })

  it('takes what others hand on whoever is primary, because one may just have been', () => {
    for (const onward of ['self', 'other', 'nobody'] as const) {
      const text = gatewayTable([one], onward)
      expect(chain(text, 'from-nodes')).toEqual(['ether daddr vmap { 0a:00:00:01:00:00 : jump return1 }'])
      expect(chain(text, 'return1')).toEqual([
        'iifname "vxlan1" counter ether daddr set 06:00:00:01:00:00 meta pkttype set host accept',
      ])
    }
  })

  it('lets no question for a gateway and no word of it reach other nodes', () => {
    const text = gatewayTable([one], 'other')
    const question = 'oifname "vxlan1" arp operation request arp daddr ip 10.0.1.1 counter drop'
    expect(chain(text, 'questions-arp')).toEqual([question])
    expect(chain(text, 'questions-nd').filter((line) => line.includes('nd-neighbor-solicit'))).toHaveLength(2)
    const answer = 'oifname "vxlan1" arp operation reply arp saddr ip 10.0.1.1 counter drop'
    expect(chain(text, 'announcements-arp')).toContain(answer)
    expect(text).toContain('@th,64,128 0xfe800000000000000000000000000001')
  })

  it.each(['enter', 'pass', 'leave'])('asks no more of a frame in %s with many networks than with one', (name) => {
    const many = Array.from({ length: 50 }, (_, index) => network(index + 1))
    expect(chain(gatewayTable(many, 'other'), name)).toHaveLength(chain(gatewayTable([one], 'other'), name).length)
  })

  it('grows with the networks, not with their square', () => {
    const many = Array.from({ length: 50 }, (_, index) => network(index + 1))
    expect(gatewayTable(many, 'other').length).toBeLessThan(60 * gatewayTable([one], 'other').length)
  })

  it('has nothing of a family that a network lacks', () => {
    const { acls, network: both } = one
    const text = gatewayTable([{ acls, network: { ...both, ip6: null } }], 'other')
    expect(text).not.toMatch(/ip6|icmpv6|@th/)
  })
})
