import type { Watched } from '../view/collection.ts'
import {
  clusterCollection,
  networksCollection,
  nodesCollection,
  primaryCollections,
  provisionerCollections,
  vmsCollection,
} from '../view/tree-collections.ts'

/** What a node follows. */
export function nodeViewCollections(): readonly Watched[] {
  return [
    clusterCollection(),
    ...primaryCollections(),
    nodesCollection(['status']),
    vmsCollection(),
    networksCollection(),
    ...provisionerCollections(),
  ]
}
