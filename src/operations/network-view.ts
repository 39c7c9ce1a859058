import { PvcError } from '../model/errors.ts'
import { type DhcpLease, type DhcpReservation, type Network, type NetworkAcls, NO_ACLS, Vni } from '../model/network.ts'
import { tree } from '../schema/tree.ts'
import type { DocumentIndex } from './document-index.ts'
import { eachVm } from './view.ts'

/** All virtual networks, by number. */
export function readNetworks(index: DocumentIndex): readonly Network[] {
  return index
    .children(tree.networks.path)
    .flatMap((name) => {
      const vni = Vni.safeParse(Number(name))
      const document = vni.success ? index.get(tree.network(vni.data).spec) : undefined
      return document === undefined ? [] : [document.value]
    })
    .sort((a, b) => a.vni - b.vni)
}

/** One virtual network. @throws PVC_OBJECT_NOT_FOUND */
export function requireNetwork(index: DocumentIndex, vni: number): Network {
  const document = index.get(tree.network(Vni.parse(vni)).spec)
  if (document === undefined) throw networkNotFound(vni)
  return document.value
}

export function networkNotFound(vni: number): PvcError {
  return new PvcError('PVC_OBJECT_NOT_FOUND', `Network '${vni}' not found`)
}

/** Rules of a network. */
export function readAcls(index: DocumentIndex, vni: Vni): NetworkAcls {
  return index.get(tree.network(vni).acls)?.value ?? NO_ACLS
}

/** Fixed addresses of a network, by MAC. */
export function readReservations(index: DocumentIndex, vni: Vni): readonly DhcpReservation[] {
  const dir = tree.network(vni).reservations
  return [...index.children(dir.path)].sort().flatMap((mac) => index.get(dir.child(mac))?.value ?? [])
}

/** Leases of a network. */
export function readLeases(index: DocumentIndex, vni: Vni): readonly DhcpLease[] {
  const dir = tree.network(vni).leases
  return [...index.children(dir.path)].sort().flatMap((address) => index.get(dir.child(address))?.value ?? [])
}

/** Names of the VMs that have an interface on the network. */
export function networkUsers(index: DocumentIndex, vni: number): readonly string[] {
  const source = new RegExp(`<source\\s[^>]*bridge=["']vmbr${vni}["']`)
  return [...eachVm(index)].map(({ spec }) => spec.value).flatMap(({ name, xml }) => (source.test(xml) ? [name] : []))
}
