/** A zone as the name server answers it: names in lower case with the final dot, the SOA among the records. */
export type DnsZone = {
  readonly name: string
  readonly serial: number
  readonly records: ReadonlyMap<
    string,
    readonly { readonly type: string; readonly content: string; readonly ttlS: number }[]
  >
}

/** The name server of this host. It asks for every answer, so a change shows at once. */
export type DnsServer = {
  /** Answers at these addresses from now on; called again with others it moves there. `onChange`: it ended by itself, or runs again. */
  start(addresses: readonly string[], zones: () => ReadonlyMap<string, DnsZone>, onChange: () => void): Promise<void>
  /** Why it does not answer; undefined: it does. */
  problem(): string | undefined
  stop(): Promise<void>
}
