import { daemonState } from '../model/compat-node.ts'
import type { PlacementNode } from '../model/placement.ts'
import type { DocumentIndex } from './document-index.ts'
import { eachVm, readNodes } from './view.ts'

/** The nodes as placement sees them: a node without proof of life counts as dead, whatever it last reported. */
export function placementNodes(index: DocumentIndex): readonly PlacementNode[] {
  const vmCounts = new Map<string, number>()
  for (const { spec } of eachVm(index)) vmCounts.set(spec.value.node, (vmCounts.get(spec.value.node) ?? 0) + 1)
  return readNodes(index).map((node) => ({
    name: node.spec.name,
    daemon: node.status === undefined ? undefined : daemonState(node),
    domainState: node.status?.domainState,
    resources: node.status?.resources,
    vmCount: vmCounts.get(node.spec.name) ?? 0,
  }))
}
