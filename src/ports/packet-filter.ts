/** Asks nftables whether it would take a text; nothing is changed. */
export type RuleChecker = {
  /** @returns its objection, undefined when there is none. @throws PVC_NETWORK_FAILED when it cannot be asked */
  check(ruleset: string): Promise<string | undefined>
}

/** The packet filter of this node. Every call is bounded. @throws PVC_NETWORK_FAILED */
export type PacketFilter = {
  /** Names of the tables of the family inet. */
  tables(): Promise<readonly string[]>
  /** Applies a text as one transaction. @returns its objection, and then nothing was changed */
  apply(ruleset: string): Promise<string | undefined>
}
