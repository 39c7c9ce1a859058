import type { HostAddress } from './network.ts'

/**
 * Addresses that this daemon may have put on the host, kept until the next boot: a daemon that ended without a word left them
 * there, and the next one takes them off before it does anything else.
 */
export type AddressRecord = {
  read(): Promise<readonly HostAddress[]>
  write(addresses: readonly HostAddress[]): Promise<void>
}
