import type { Watched } from '../view/collection.ts'
import {
  clusterCollection,
  nodesCollection,
  primaryCollections,
  storageCollections,
  tokensCollection,
  vmsCollection,
} from '../view/tree-collections.ts'

/**
 * What the API watches, over two connections: a session carries fewer than 10,000 watches, and VMs need two each.
 * The audit log is not watched; it is read when somebody asks for it.
 */
export function apiCollections(): { readonly main: readonly Watched[]; readonly more: readonly Watched[] } {
  return {
    main: [
      clusterCollection(),
      ...primaryCollections(),
      nodesCollection(['status', 'stats', 'alive']),
      vmsCollection(),
    ],
    more: [...storageCollections(), tokensCollection()],
  }
}
