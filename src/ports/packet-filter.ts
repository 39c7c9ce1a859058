/** Asks nftables whether it would take a text; nothing is changed. */
export type RuleChecker = {
  /** @returns its objection, undefined when there is none. @throws PVC_NETWORK_FAILED when it cannot be asked */
  check(ruleset: string): Promise<string | undefined>
}

/** A table of nftables with the names of its chains; `family` as it calls it: inet, bridge … */
export type FilterTable = { readonly family: string; readonly name: string; readonly chains: readonly string[] }

/** The packet filter of this node. Every call is bounded. @throws PVC_NETWORK_FAILED */
export type PacketFilter = {
  /** Tables that have chains. What is in these is not read: that takes nft longer with the square of the tables. */
  tables(): Promise<readonly FilterTable[]>
  /** Applies a text as one transaction. @returns its objection, and then nothing was changed */
  apply(ruleset: string): Promise<string | undefined>
}
