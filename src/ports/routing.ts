/** One BGP session of this node. */
export type RoutingSession = {
  readonly address: string
  readonly isEstablished: boolean
  /** The other side connected without being named in the configuration. */
  readonly isDynamic: boolean
}

/** What the routing daemons do now. */
export type RoutingState = {
  /** Own AS number; undefined: BGP is not set up. */
  readonly asn: number | undefined
  /** Sessions that carry the addresses of guests. */
  readonly sessions: readonly RoutingSession[]
  /** Sessions that carry networks of guests to routers outside. */
  readonly upstream: readonly RoutingSession[]
}

/** The routing daemons of this machine (FRR). Every call is bounded. @throws PVC_NETWORK_FAILED with the tool's words */
export type Routing = {
  /** The configuration they begin with; empty: none. */
  stored(): Promise<string>
  /** Checks a configuration and stores it for their next start. A text that they refuse changes nothing. */
  store(text: string): Promise<void>
  /** Makes them follow what is stored, without a restart: what did not change is not disturbed. */
  reload(): Promise<void>
  state(): Promise<RoutingState>
}
