/** An address with the length of its network's prefix, on one device of this host. */
export type HostAddress = {
  readonly address: string
  readonly prefix: number
  readonly device: string
  /** The neighbours route through it. Its kernel tells IPv6 neighbours itself, because only the kernel says it is a router. */
  readonly isGateway?: true
}

/** The addresses of this host. Every call is bounded; the changing ones throw PVC_NETWORK_FAILED with the tool's words. */
export type HostNetwork = {
  /** Addresses of all devices that are up. Cheap: no child process. */
  present(): readonly HostAddress[]
  /** Puts addresses on their devices; one that is there already is no error. */
  add(addresses: readonly HostAddress[]): Promise<void>
  /** Takes addresses off their devices; one that is not there is no error. */
  remove(addresses: readonly HostAddress[]): Promise<void>
  /**
   * As `remove`, but what still comes for their networks is passed on from here until `endRetirement`: neighbours and routers
   * may not have heard yet of the next holder.
   */
  retire(addresses: readonly HostAddress[]): Promise<void>
  /** Ends that; no error when there is nothing to end. */
  endRetirement(addresses: readonly HostAddress[]): Promise<void>
  /** Takes addresses that are there off and puts them on again in one go, within a millisecond: IPv6 neighbours are told by that. */
  renew(addresses: readonly HostAddress[]): Promise<void>
  /**
   * Tells the neighbours that these addresses are here now: gratuitous ARP, unsolicited neighbour advertisements; at once, and
   * twice again in the next two seconds. IPv6 gateways are told of when they are added. Ends early when `signal` aborts.
   * @throws PVC_NETWORK_FAILED when a tool failed
   */
  announce(addresses: readonly HostAddress[], signal: AbortSignal): Promise<void>
  /** MAC address that a neighbour on a device was last seen with; undefined: none is known. */
  neighbour(address: string, device: string): Promise<string | undefined>
}
