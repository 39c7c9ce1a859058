import { PvcError } from '../model/errors.ts'
import { type Network, Vni } from '../model/network.ts'
import { tree } from '../schema/tree.ts'
import type { DocumentIndex } from './document-index.ts'
import { eachVm } from './view.ts'

/** One virtual network. @throws PVC_OBJECT_NOT_FOUND */
export function requireNetwork(index: DocumentIndex, vni: number): Network {
  const document = index.get(tree.network(Vni.parse(vni)).spec)
  if (document === undefined) throw networkNotFound(vni)
  return document.value
}

export function networkNotFound(vni: number): PvcError {
  return new PvcError('PVC_OBJECT_NOT_FOUND', `Network '${vni}' not found`)
}

/** Names of the VMs that have an interface on the network. */
export function networkUsers(index: DocumentIndex, vni: number): readonly string[] {
  const source = new RegExp(`<source\\s[^>]*bridge=["']vmbr${vni}["']`)
  return [...eachVm(index)].map(({ spec }) => spec.value).flatMap(({ name, xml }) => (source.test(xml) ? [name] : []))
}

/** Networks that a definition names and that do not exist, as warnings. */
export function missingNetworks(index: DocumentIndex, xml: string): readonly string[] {
  const named = [...xml.matchAll(/<source\s[^>]*bridge=["']vmbr(\d+)["']/g)].map(([, vni]) =>
    Vni.safeParse(Number(vni)),
  )
  const vnis = new Set(named.flatMap(({ success, data }) => (success ? [data] : [])))
  return [...vnis].flatMap((vni) =>
    index.get(tree.network(vni).spec) === undefined
      ? [`Network ${vni} does not exist: the VM cannot start before it is added with 'pvc network add ${vni}'.`]
      : [],
  )
}
