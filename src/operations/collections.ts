import type { Watched } from '../view/collection.ts'
import {
  clusterCollection,
  networksCollection,
  nodesCollection,
  primaryCollections,
  provisionerCollections,
  storageCollections,
  tokensCollection,
  vmsCollection,
} from '../view/tree-collections.ts'

/** What the API watches: `main` over the connection that changes go over, and each of `more` over one of its own. */
export type ApiCollections = { readonly main: readonly Watched[]; readonly more: readonly (readonly Watched[])[] }

/**
 * A session carries fewer than 10,000 watches and a VM needs two, so the VMs are spread over two sessions and volumes
 * have a third. The audit log is not watched; it is read when somebody asks for it.
 */
export function apiCollections(): ApiCollections {
  return {
    main: [
      clusterCollection(),
      ...primaryCollections(),
      nodesCollection(['status', 'stats', 'alive', 'flush', 'fence', 'readiness', 'fenceReach', 'sriov', 'sriovWish']),
      vmsCollection({ index: 0, of: 2 }),
    ],
    more: [
      [vmsCollection({ index: 1, of: 2 })],
      [...storageCollections(), networksCollection(), ...provisionerCollections(), tokensCollection()],
    ],
  }
}
