/** Where a VXLAN device sends frames with one MAC: to one node, instead of to all. */
export type ForwardingEntry = {
  readonly mac: string
  /** The VXLAN device, a port of its bridge. */
  readonly device: string
  /** IPv4 address of the node on the cluster network. */
  readonly to: string
}

/** Entries that are set by hand in the forwarding tables of this node's VXLAN devices. Every call is bounded. @throws PVC_NETWORK_FAILED */
export type Forwarding = {
  /** All of them, of whoever set them. */
  list(): Promise<readonly ForwardingEntry[]>
  /** Sets entries; one for the same MAC and device is replaced. */
  set(entries: readonly ForwardingEntry[]): Promise<void>
  /** Removes entries; one that is gone is no error. */
  remove(entries: readonly ForwardingEntry[]): Promise<void>
}
