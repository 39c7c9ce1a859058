/** Networks of guests and what belongs to them, as an index knows them. */
import { type DhcpLease, type DhcpReservation, type Network, type NetworkAcls, NO_ACLS, Vni } from '../model/network.ts'
import { tree } from '../schema/tree.ts'
import type { Index } from './index.ts'

/** What is needed of an index to read documents from it. */
export type Documents = Pick<Index, 'get' | 'children'>

/** All networks, by number. */
export function readNetworks(index: Documents): readonly Network[] {
  return index
    .children(tree.networks.path)
    .flatMap((name) => {
      const vni = Vni.safeParse(Number(name))
      return vni.success ? (index.get(tree.network(vni.data).spec)?.value ?? []) : []
    })
    .sort((a, b) => a.vni - b.vni)
}

/**
 * Networks with a document that is refused and was never believed, as after a restart: what a node has of them must stay as it
 * is. `specs`: it is not known what they are to be; `rules`: nor which rules they have.
 */
export function unreadableNetworks(index: Documents & Pick<Index, 'refused'>): {
  readonly specs: ReadonlySet<number>
  readonly rules: ReadonlySet<number>
} {
  const specs = new Set<number>()
  const rules = new Set<number>()
  for (const path of index.refused.keys()) {
    if (!path.startsWith(`${tree.networks.path}/`)) continue
    const vni = Vni.safeParse(Number(path.slice(tree.networks.path.length + 1).split('/')[0]))
    if (!vni.success) continue
    const keys = tree.network(vni.data)
    if (path === keys.spec.path && index.get(keys.spec) === undefined) specs.add(vni.data)
    if (path === keys.acls.path && index.get(keys.acls) === undefined) rules.add(vni.data)
  }
  return { specs, rules: new Set([...specs, ...rules]) }
}

/** Packet filter rules of a network. */
export function readAcls(index: Documents, vni: Vni): NetworkAcls {
  return index.get(tree.network(vni).acls)?.value ?? NO_ACLS
}

/** Fixed addresses of a network, by MAC. */
export function readReservations(index: Documents, vni: Vni): readonly DhcpReservation[] {
  const dir = tree.network(vni).reservations
  return [...index.children(dir.path)].sort().flatMap((mac) => index.get(dir.child(mac))?.value ?? [])
}

/** Leases of a network. */
export function readLeases(index: Documents, vni: Vni): readonly DhcpLease[] {
  const dir = tree.network(vni).leases
  return [...index.children(dir.path)].sort().flatMap((address) => index.get(dir.child(address))?.value ?? [])
}
