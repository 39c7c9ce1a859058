/** Which tables of the packet filter are made, made anew and removed. */
import { describe, expect, it } from 'vitest'
import { aclTable, ruleProblem } from '../../../../src/model/acl-text.ts'
import { type AclRule, type NetworkAcls, NO_ACLS } from '../../../../src/model/network.ts'
import { decideFilter } from '../../../../src/node/firewall/decide.ts'
import { managedNetwork } from '../../coordinator/network/network-world.ts'

const one = managedNetwork(100)
const two = managedNetwork(101)
const rule = (text: string): AclRule => ({ description: text, rule: text })
const inet = (...names: string[]) => names.map((name) => ({ family: 'inet', name }))
const OURS = inet('pvc-net100')
const DROP: NetworkAcls = { generation: 1, in: [], out: [rule('ip daddr 192.0.2.1 drop')] }

describe('tables of the packet filter', () => {
  it('are made for managed networks, and then left alone', () => {
    const networks = [
      { network: one, acls: DROP },
      { network: { ...two, type: 'bridged' as const }, acls: NO_ACLS },
    ]
    const first = decideFilter(networks, [], new Map())
    expect(first).toMatchObject({ replace: [{ vni: 100 }], remove: [] })
    const applied = new Map(first.replace.map(({ vni, text }) => [vni, text]))
    expect(decideFilter(networks, OURS, applied)).toEqual({ replace: [], remove: [] })
  })

  it('are made anew when their rules changed, when they vanished, and when nobody knows what they say', () => {
    const networks = [{ network: one, acls: DROP }]
    const applied = new Map([[100, aclTable(one, DROP)]])
    expect(decideFilter([{ network: one, acls: NO_ACLS }], OURS, applied).replace).toHaveLength(1)
    expect(decideFilter(networks, [], applied).replace).toHaveLength(1)
    expect(decideFilter(networks, OURS, new Map()).replace).toHaveLength(1)
  })

  it('go with their network; tables of others stay', () => {
    expect(decideFilter([], inet('pvc-net100', 'filter', 'pvc-netx', 'pvc-net100b'), new Map()).remove).toEqual([
      'pvc-net100',
    ])
  })
})

describe('a rule', () => {
  it('stands in the chain of its direction, in its order', () => {
    const text = aclTable(one, { generation: 1, in: [rule('accept'), rule('drop')], out: [rule('tcp dport 25 drop')] })
    expect(text).toMatch(/chain rules-in \{\n {4}counter accept\n {4}counter drop\n {2}\}/)
    expect(text).toMatch(/chain rules-out \{\n {4}counter tcp dport 25 drop\n {2}\}/)
  })

  it.each(['drop } chain x {', 'drop; accept', 'drop\naccept', 'a { b', 'accept # x', 'a \\'])(
    'cannot be %j',
    (text) => {
      expect(ruleProblem(text)).toBeDefined()
    },
  )

  it.each([
    'tcp dport { 80, 443 } accept',
    'ip saddr 10.0.0.0/8 drop',
    'meta l4proto . th dport vmap { tcp . 22 : accept }',
  ])('can be %j', (text) => expect(ruleProblem(text)).toBeUndefined())
})
