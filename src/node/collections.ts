import type { NodeName } from '../model/ids.ts'
import type { Watched } from '../view/collection.ts'
import {
  clusterCollection,
  networksCollection,
  nodesCollection,
  primaryCollections,
  provisionerCollections,
  sriovWishOf,
  vmsCollection,
} from '../view/tree-collections.ts'

/** What a node follows. */
export function nodeViewCollections(self: NodeName): readonly Watched[] {
  return [
    clusterCollection(),
    ...primaryCollections(),
    nodesCollection(['status']),
    sriovWishOf(self),
    vmsCollection(),
    networksCollection(),
    ...provisionerCollections(),
  ]
}
