/** Which tables of the packet filter are made, made anew and removed. */
import { describe, expect, it } from 'vitest'
import { ruleProblem } from '../../../../src/model/acl-text.ts'
import { type AclRule, type NetworkAcls, NO_ACLS } from '../../../../src/model/network.ts'
import { decideFilter, type FilterMemory, wantedTables } from '../../../../src/node/firewall/decide.ts'
import { managedNetwork } from '../../coordinator/network/network-world.ts'

const one = managedNetwork(100)
const two = managedNetwork(101)
const rule = (text: string): AclRule => ({ description: text, rule: text })
const DROP: NetworkAcls = { generation: 1, in: [], out: [rule('ip daddr 192.0.2.1 drop')] }
const NET = 'inet pvc-net100'
const HOST = 'inet pvc-host'
const WANTED = wantedTables([{ network: one, acls: DROP }], undefined)
const WHOLE = [
  { family: 'inet', name: 'pvc-host', chains: ['guests', 'input'] },
  { family: 'inet', name: 'pvc-net100', chains: ['rules-in', 'rules-out', 'forward'] },
]

function memory(applied: Record<string, string>, refused: Record<string, { readonly text: string }> = {}) {
  return { applied: new Map(Object.entries(applied)), refused: new Map(Object.entries(refused)) } as FilterMemory
}
const KNOWN = memory(Object.fromEntries(WANTED.map(({ family, name, text }) => [`${family} ${name}`, text])))
const keys = (...args: Parameters<typeof decideFilter>) => decideFilter(...args).map(({ key }) => key)

describe('wanted tables', () => {
  it('are one that closes the host to all managed networks, and one for each network that has rules', () => {
    const networks = [
      { network: one, acls: DROP },
      { network: two, acls: NO_ACLS },
      { network: managedNetwork(102, { type: 'bridged' }), acls: DROP },
    ]
    const tables = wantedTables(networks, undefined)
    expect(tables.map(({ name, vni }) => [name, vni])).toEqual([
      ['pvc-host', undefined],
      ['pvc-net100', 100],
    ])
    expect(tables[0]?.text).toContain('iifname { "vmbr100", "vmbr101" } goto guests')
    expect(tables[1]?.text).not.toContain('hook input')
  })

  it('are none without networks, and that of held guests beside the others', () => {
    expect(wantedTables([], undefined)).toEqual([])
    expect(wantedTables([], 'text')).toEqual([{ family: 'bridge', name: 'pvc-guests', text: 'text' }])
  })
})

describe('tables of the packet filter', () => {
  it('are made, and then left alone', () => {
    expect(keys(WANTED, [], memory({}))).toEqual([HOST, NET])
    expect(decideFilter(WANTED, WHOLE, KNOWN)).toEqual([])
    expect(decideFilter(WANTED, undefined, KNOWN)).toEqual([])
  })

  it('are made anew when their rules changed, and no other with them', () => {
    const other: NetworkAcls = { ...DROP, out: [rule('accept')] }
    const changed = wantedTables([{ network: one, acls: other }], undefined)
    expect(keys(changed, undefined, KNOWN)).toEqual([NET])
    expect(keys(changed, WHOLE, KNOWN)).toEqual([NET])
  })

  it.each([
    ['the table', [WHOLE[0]]],
    ['a chain', [WHOLE[0], { family: 'inet', name: 'pvc-net100', chains: ['rules-in', 'forward'] }]],
    ['all but the name', [WHOLE[0], { family: 'ip', name: 'pvc-net100', chains: WHOLE[1]?.chains ?? [] }]],
  ])('are made anew when somebody removed %s', (_, present) => {
    expect(keys(WANTED, present as typeof WHOLE, KNOWN)).toEqual([NET])
  })

  it('are made anew when nobody knows what they say', () => {
    expect(keys(WANTED, WHOLE, memory({}))).toEqual([HOST, NET])
  })

  it('go with the rules of their network, also without a look', () => {
    const bare = wantedTables([{ network: one, acls: NO_ACLS }], undefined)
    expect(keys(bare, undefined, KNOWN)).toEqual([NET])
    expect(decideFilter([], undefined, KNOWN).map(({ text }) => text.split('\n')[1])).toEqual([
      'delete table inet pvc-host',
      'delete table inet pvc-net100',
    ])
  })

  it('of others stay', () => {
    const names = ['pvc-net100', 'filter', 'pvc-netx', 'pvc-net100b', 'pvc-host']
    const foreign = [
      { family: 'bridge', name: 'pvc-gateways', chains: ['c'] },
      { family: 'ip', name: 'pvc-host', chains: ['c'] },
    ]
    const present = [...names.map((name) => ({ family: 'inet', name, chains: ['c'] })), ...foreign]
    expect(keys([], present, memory({}))).toEqual([NET, HOST])
  })

  it('that were refused are tried again at a look, or with another text', () => {
    const text = WANTED[1]?.text ?? ''
    const refused = memory({ [HOST]: WANTED[0]?.text ?? '' }, { [NET]: { text } })
    expect(keys(WANTED, undefined, refused)).toEqual([])
    expect(keys(WANTED, WHOLE, refused)).toEqual([NET])
    const other = wantedTables([{ network: one, acls: { ...DROP, in: [rule('accept')] } }], undefined)
    expect(keys(other, undefined, refused)).toEqual([NET])
  })
})

describe('a rule', () => {
  it('stands in the chain of its direction, in its order', () => {
    const acls = { generation: 1, in: [rule('accept'), rule('drop')], out: [rule('tcp dport 25 drop')] }
    const text = wantedTables([{ network: one, acls }], undefined)[1]?.text
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
