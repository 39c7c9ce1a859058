import { isSameAddress } from '../../model/address.ts'
import { PvcError } from '../../model/errors.ts'
import type { HostAddress, HostNetwork } from '../../ports/network.ts'

/** Addresses of a host that exists in memory only; what was told to the neighbours is kept for a look. */
export class FakeHostNetwork implements HostNetwork {
  addresses: readonly HostAddress[] = []
  /** Signals of all announcements, in order. */
  readonly announced: { readonly addresses: readonly HostAddress[]; readonly signal: AbortSignal }[] = []
  readonly renewed: HostAddress[] = []
  /** Addresses that are gone, into whose networks packets are still passed on. */
  retired: readonly HostAddress[] = []
  /** Devices there are; undefined: any. */
  devices: Set<string> | undefined
  /** MAC addresses by address and device, as `10.0.0.5 vmbr1`. */
  readonly neighbours = new Map<string, string>()

  present(): readonly HostAddress[] {
    return this.addresses
  }

  async add(addresses: readonly HostAddress[]): Promise<void> {
    const possible = addresses.filter(({ device }) => this.devices?.has(device) ?? true)
    this.addresses = [...this.addresses, ...possible]
    if (possible.length < addresses.length) throw new PvcError('PVC_NETWORK_FAILED', 'ip: Cannot find device')
  }

  async remove(addresses: readonly HostAddress[]): Promise<void> {
    this.addresses = this.addresses.filter(
      (each) =>
        !addresses.some(({ address, device }) => isSameAddress(address, each.address) && device === each.device),
    )
  }

  async retire(addresses: readonly HostAddress[]): Promise<void> {
    await this.remove(addresses)
    this.retired = [...this.retired, ...addresses]
  }

  async endRetirement(addresses: readonly HostAddress[]): Promise<void> {
    this.retired = this.retired.filter((each) => !addresses.some(({ address }) => isSameAddress(address, each.address)))
  }

  async renew(addresses: readonly HostAddress[]): Promise<void> {
    this.renewed.push(...addresses)
  }

  async announce(addresses: readonly HostAddress[], signal: AbortSignal): Promise<void> {
    this.announced.push({ addresses, signal })
  }

  async neighbour(address: string, device: string): Promise<string | undefined> {
    return this.neighbours.get(`${address} ${device}`)
  }
}
