/** An entry of Ceph's blocklist. */
export type BlocklistEntry = {
  /** `ip:port/nonce`; port and nonce 0 stand for the whole address, see {@link entriesOf} of the model. */
  readonly address: string
  /** Milliseconds since 1970 at which Ceph forgets it, by Ceph's clock. */
  readonly untilMs: number
}

/** An OSD of the map. */
export type OsdState = {
  readonly id: number
  readonly isUp: boolean
  /** Addresses it serves clients and others under, without port. */
  readonly addresses: readonly string[]
}

/** OSDs and the epoch of the map that says so. */
export type OsdStates = { readonly epoch: number; readonly osds: readonly OsdState[] }

/**
 * The part of Ceph that keeps a node from writing. Every call is killed at its deadline, or when `signal` aborts.
 * @throws PVC_CEPH_FAILED, PVC_CEPH_TIMEOUT
 */
export type StorageFence = {
  /** Blocklists whole addresses for at least half of `expireS` from now, and returns a map in which all of them are. */
  blocklist(addresses: readonly string[], expireS: number, signal?: AbortSignal): Promise<OsdStates>
  /** Takes whole addresses out again; no error when they are not there. Only a returning node does this, for itself (N7). */
  unblocklist(addresses: readonly string[], signal?: AbortSignal): Promise<void>
  entries(signal?: AbortSignal): Promise<readonly BlocklistEntry[]>
  osds(signal?: AbortSignal): Promise<OsdStates>
  /** Newest map each of these OSDs works with; an OSD that does not answer in time is missing in the answer. */
  osdEpochs(osds: readonly number[], signal?: AbortSignal): Promise<ReadonlyMap<number, number>>
  /** Marks OSDs down; a living one registers again with a newer map. */
  markDown(osds: readonly number[], signal?: AbortSignal): Promise<void>
  /** Proof that this client may add to the blocklist, without leaving anything there. */
  mayBlocklist(signal?: AbortSignal): Promise<void>
}
