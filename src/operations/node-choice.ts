import { type PlacementNode, placementNodes } from '../model/placement.ts'
import type { DocumentIndex } from './document-index.ts'
import { eachVm, readNodes } from './view.ts'

/** The nodes as placement sees them, with every promise the index knows of. */
export function indexedPlacement(index: DocumentIndex): readonly PlacementNode[] {
  const vms = [...eachVm(index)].map(({ spec, status }) => ({ spec: spec.value, status }))
  return placementNodes(readNodes(index), vms)
}
