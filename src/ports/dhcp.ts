import type { DhcpLease, DhcpReservation, Network } from '../model/network.ts'

/** A DHCP server as it is wanted: that of one network, which also forwards the names its guests ask for. */
export type DhcpServer = {
  readonly network: Network
  readonly mtu: number
  readonly reservations: readonly DhcpReservation[]
}

/** A change of a lease: given or renewed, or over. */
export type LeaseEvent =
  | { readonly kind: 'kept'; readonly lease: DhcpLease; readonly serverDuid: string | undefined }
  | { readonly kind: 'over'; readonly address: string }

/** Where leases live over all changes of the primary. */
export type LeaseBook = {
  /** Everything that was kept, with certainty. @throws PvcError: a server must not begin without it */
  read(vni: number): Promise<{ readonly leases: readonly DhcpLease[]; readonly serverDuid: string | undefined }>
  /** Notes a change; it is written soon, and again until it could be. */
  note(vni: number, event: LeaseEvent): void
}

/** DHCP servers of this host, one per network. */
export type DhcpServers = {
  /**
   * Makes the running servers exactly these; one that is as it should be runs on, also when only its reservations or the
   * zones change. `zones`: names, without the final dot, that this host's own name server answers for. `onChange` is called
   * when one ended by itself or runs again.
   */
  keep(servers: readonly DhcpServer[], zones: readonly string[], book: LeaseBook, onChange: () => void): Promise<void>
  /** What does not work, by network. */
  problems(): readonly { readonly vni: number; readonly message: string }[]
  /** Ends them all. When this resolves none runs, and no change comes from them any more. */
  stop(): Promise<void>
}
