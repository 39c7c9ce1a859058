/** What becomes of the virtual functions of a node's cards, by what iproute2 prints of them (written after its source: no such card here). */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseLinks } from '../../../../src/adapters/links/parse.ts'
import { NodeSriov, type SriovWish, VF_DEFAULTS, type VfConfig } from '../../../../src/model/sriov.ts'
import { decideSriov, type SriovCard, unseenOf } from '../../../../src/node/sriov/decide.ts'

const links = parseLinks(readFileSync('test/data/links/ip-link-sriov.json', 'utf8'))
const slots = [0, 1, 2, 3].map((index) => ({
  index,
  pci: `0000:06:10.${index}`,
  device: index === 0 ? 'ens1f1v0' : undefined,
}))
const card: SriovCard = { device: 'ens1f1', vfs: 4, found: { possible: 64, slots } }
const NOTHING: SriovWish = { generation: 0, vfs: {} }
const wishOf = (index: number, over: Partial<VfConfig>): SriovWish => ({
  generation: 1,
  vfs: { [`ens1f1/${index}`]: { ...VF_DEFAULTS, ...over } },
})
const decide = (wish: SriovWish, cards = [card], done = new Set<string>()) => decideSriov(cards, links, wish, done)

describe('virtual functions', () => {
  it('are told with all that the card and /sys show, those of guests under the name udev gives', () => {
    const { told, changes, create, problems } = decide(NOTHING)
    expect([changes, create, problems]).toEqual([[], [], []])
    expect(NodeSriov.parse(told)).toEqual(told)
    const [pf] = told.pfs
    expect(pf).toMatchObject({ name: 'ens1f1', mtu: 9000 })
    expect(pf?.vfs.map(({ name, mac }) => `${name} ${mac}`)).toEqual([
      'ens1f1v0 52:54:05:00:00:01',
      'ens1f1v1 52:54:05:00:00:02',
      'ens1f1v2 00:00:00:00:00:00',
      'ens1f1v3 52:54:05:00:00:04',
    ])
    expect(pf?.vfs[0]?.actual).toEqual(VF_DEFAULTS)
    expect(pf?.vfs[1]?.actual).toEqual({
      vlanId: 300,
      vlanQos: 3,
      txRateMinMbit: 100,
      txRateMaxMbit: 1000,
      linkState: 'enable',
      spoofCheck: false,
      trust: true,
      queryRss: true,
    })
    // An old driver says little, and says it elsewhere.
    expect(pf?.vfs[3]?.actual).toEqual({ vlanId: 17, vlanQos: 0, txRateMinMbit: 0, txRateMaxMbit: 100 })
  })

  it('are left as they are until somebody sets them up, and then changed only where they differ', () => {
    expect(decide(wishOf(0, {})).changes).toEqual([])
    expect(decide(wishOf(0, { vlanId: 12, trust: true })).changes).toEqual([
      { kind: 'set-vf', name: 'ens1f1', index: 0, to: { vlanId: 12, vlanQos: 0, trust: true } },
    ])
    expect(decide(wishOf(1, { ...links[1]?.vfs?.[1]?.config, txRateMinMbit: 0 })).changes).toEqual([
      { kind: 'set-vf', name: 'ens1f1', index: 1, to: { txRateMinMbit: 0, txRateMaxMbit: 1000 } },
    ])
  })

  it('that do not show what was set are told it once', () => {
    const wish = wishOf(3, { vlanId: 17, txRateMaxMbit: 100, spoofCheck: false })
    const { changes } = decide(wish)
    const rest = { linkState: 'auto', spoofCheck: false, trust: false, queryRss: false }
    expect(changes).toEqual([{ kind: 'set-vf', name: 'ens1f1', index: 3, to: rest }])
    const done = new Set(changes.flatMap((change) => unseenOf(change, links, wish)))
    expect(decide(wish, [card], done).changes).toEqual([])
    expect(decide(wishOf(3, { ...wish.vfs['ens1f1/3'], trust: true }), [card], done).changes).toHaveLength(1)
  })
})

describe('a card', () => {
  it('that has none yet is given them, within what it can have', () => {
    const bare = { ...card, device: 'ens1f0', found: { possible: 8, slots: [] } }
    expect(decide(NOTHING, [bare]).create).toEqual([{ device: 'ens1f0', vfs: 4 }])
    const greedy = decide(NOTHING, [{ ...bare, vfs: 9 }])
    expect(greedy.create).toEqual([])
    expect(greedy.problems[0]?.message).toContain('8 virtual functions, not 9')
  })

  it('with another number keeps it, and what is missing is said', () => {
    const other = decide(NOTHING, [{ ...card, vfs: 8 }])
    expect(other.create).toEqual([])
    expect(other.problems[0]?.message).toContain('restart this node')
    expect(decide(NOTHING, [{ ...card, device: 'gone0' }]).problems[0]?.message).toContain('does not exist')
    expect(decide(NOTHING, [{ ...card, found: undefined }]).problems[0]?.message).toContain('firmware')
  })

  it('gets its MTU, and no other change', () => {
    expect(decide(NOTHING, [{ ...card, mtu: 9000 }]).changes).toEqual([])
    expect(decide(NOTHING, [{ ...card, mtu: 1500 }]).changes).toEqual([
      { kind: 'set', name: 'ens1f1', to: { mtu: 1500 } },
    ])
  })
})
