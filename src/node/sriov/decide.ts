/** Decides what of this node's SR-IOV cards is changed, and what is told of them. Pure. */
import type { Link, LinkChange } from '../../model/link.ts'
import {
  type FunctionSlot,
  type NodeSriov,
  type PhysicalFunction,
  type SriovWish,
  type VfConfig,
  vfKey,
} from '../../model/sriov.ts'

/** A card of the configuration, with what /sys says of it; undefined: it can have no virtual functions. */
export type SriovCard = {
  readonly device: string
  readonly vfs: number
  readonly mtu?: number | undefined
  readonly found: { readonly possible: number; readonly slots: readonly FunctionSlot[] } | undefined
}

export type SriovDecision = {
  /** Cards that have no virtual functions yet, with how many they are to have. */
  readonly create: readonly { readonly device: string; readonly vfs: number }[]
  readonly changes: readonly LinkChange[]
  readonly told: NodeSriov
  readonly problems: readonly { readonly device: string; readonly message: string }[]
}

/**
 * `done`: what was set already although the card does not show it, by {@link unseenKey}; a driver need not tell everything,
 * and is told once.
 */
export function decideSriov(
  cards: readonly SriovCard[],
  links: readonly Link[],
  wish: SriovWish,
  done: ReadonlySet<string>,
): SriovDecision {
  const byName = new Map(links.map((link) => [link.name, link]))
  const each = cards.map((card) => ({ card, link: byName.get(card.device), problem: problemOf(card, byName) }))
  const usable = each.flatMap(({ card, link }) =>
    link === undefined || card.found === undefined ? [] : [{ card, link, ...card.found }],
  )
  return {
    create: usable.flatMap(({ card: { device, vfs }, slots, possible }) =>
      slots.length === 0 && vfs <= possible ? [{ device, vfs }] : [],
    ),
    changes: usable.flatMap(({ card, link }) => [...mtuChange(card, link), ...vfChanges(link, wish, done)]),
    told: { pfs: usable.map(({ link, slots }) => functionOf(link, slots, byName)) },
    problems: each.flatMap(({ card, problem }) =>
      problem === undefined ? [] : [{ device: card.device, message: problem }],
    ),
  }
}

function problemOf({ device, vfs, found }: SriovCard, links: ReadonlyMap<string, Link>): string | undefined {
  if (!links.has(device)) return `Device ${device} of network.sriov does not exist.`
  if (found === undefined)
    return `Device ${device} of network.sriov can have no virtual functions: is SR-IOV on in its firmware?`
  if (vfs > found.possible) return `Device ${device} can have ${found.possible} virtual functions, not ${vfs}.`
  const { length } = found.slots
  // Another number would first take all of them away, also from guests.
  if (length > 0 && length !== vfs)
    return `Device ${device} has ${length} virtual functions, not ${vfs}; restart this node to change that.`
  return undefined
}

function mtuChange({ mtu }: SriovCard, link: Link): readonly LinkChange[] {
  const to = {
    ...(mtu === undefined || mtu === link.mtu ? {} : { mtu }),
    ...(link.isUp ? {} : { isUp: true as const }),
  }
  return Object.keys(to).length === 0 ? [] : [{ kind: 'set', name: link.name, to }]
}

function vfChanges(link: Link, wish: SriovWish, done: ReadonlySet<string>): readonly LinkChange[] {
  return (link.vfs ?? []).flatMap(({ index, config }): LinkChange[] => {
    const wanted = wish.vfs[vfKey(link.name, index)]
    if (wanted === undefined) return []
    const to = changeOf(wanted, config, (part) => done.has(unseenKey(link.name, index, part, wanted)))
    return Object.keys(to).length === 0 ? [] : [{ kind: 'set-vf', name: link.name, index, to }]
  })
}

/** Parts that a driver may keep to itself. */
const TOLD_BY_SOME = ['linkState', 'spoofCheck', 'trust', 'queryRss'] as const
type ToldBySome = (typeof TOLD_BY_SOME)[number]

/** Names a part of a VF with its wanted value. */
export function unseenKey(pf: string, index: number, part: ToldBySome, wanted: VfConfig): string {
  return `${vfKey(pf, index)} ${part} ${wanted[part]}`
}

/** Keys of what a change sets and the card does not show. */
export function unseenOf(change: LinkChange, links: readonly Link[], wish: SriovWish): readonly string[] {
  if (change.kind !== 'set-vf') return []
  const shown = links.find(({ name }) => name === change.name)?.vfs?.find(({ index }) => index === change.index)?.config
  const wanted = wish.vfs[vfKey(change.name, change.index)]
  if (wanted === undefined) return []
  return TOLD_BY_SOME.filter((part) => change.to[part] !== undefined && shown?.[part] === undefined).map((part) =>
    unseenKey(change.name, change.index, part, wanted),
  )
}

function changeOf(
  wanted: VfConfig,
  shown: Partial<VfConfig>,
  isDone: (part: ToldBySome) => boolean,
): Partial<VfConfig> {
  const { vlanId, vlanQos, txRateMinMbit, txRateMaxMbit } = wanted
  const isVlanNew = vlanId !== shown.vlanId || vlanQos !== shown.vlanQos
  const isRateNew = txRateMinMbit !== shown.txRateMinMbit || txRateMaxMbit !== shown.txRateMaxMbit
  const parts = TOLD_BY_SOME.filter(
    (part) => wanted[part] !== shown[part] && !(shown[part] === undefined && isDone(part)),
  )
  return {
    // The two of a pair are set by one command.
    ...(isVlanNew ? { vlanId, vlanQos } : {}),
    ...(isRateNew ? { txRateMinMbit, txRateMaxMbit } : {}),
    ...Object.fromEntries(parts.map((part) => [part, wanted[part]])),
  }
}

function functionOf(link: Link, slots: readonly FunctionSlot[], links: ReadonlyMap<string, Link>): PhysicalFunction {
  const vfs = slots.map(({ index, pci, device }) => {
    const shown = link.vfs?.find((vf) => vf.index === index)
    const own = links.get(device ?? '')
    const mac = shown?.mac || own?.mac || ''
    // As udev names it; so it is called while a guest has it.
    const name = device ?? `${link.name}v${index}`
    return { index, name, mac, mtu: own?.mtu ?? link.mtu, pci, actual: shown?.config ?? {} }
  })
  return { name: link.name, mtu: link.mtu, vfs }
}
