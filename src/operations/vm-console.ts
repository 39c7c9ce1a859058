import { PvcError } from '../model/errors.ts'
import type { NodeName, VmUuid } from '../model/ids.ts'
import { tree } from '../schema/tree.ts'
import type { DocumentIndex } from './document-index.ts'
import { requireVm } from './view.ts'

/** Where the guest of a VM is, for its console. */
export type ConsoleTarget = {
  readonly uuid: VmUuid
  readonly name: string
  readonly node: NodeName
  /** Addresses of the node, that of the cluster network first. */
  readonly addresses: readonly string[]
}

/** @throws PVC_OBJECT_NOT_FOUND; PVC_STATE_REFUSED when the VM does not run */
export function findConsole(index: DocumentIndex, nameOrUuid: string): ConsoleTarget {
  const { spec, status } = requireVm(index, nameOrUuid)
  const { uuid, name } = spec.value
  if (status.run === null)
    throw new PvcError('PVC_STATE_REFUSED', `VM '${name}' does not run, so it has no console: start it first`)
  const { node } = status.run
  const said = index.get(tree.node(node).status)?.value
  const addresses = said === undefined ? [] : [said.clusterAddr, ...said.storageAddrs]
  return { uuid, name, node, addresses: [...new Set(addresses)].filter((address) => address !== '') }
}
