/** Which gateway addresses the primary carries. Pure. */
import { isSameAddress } from '../../../model/address.ts'
import { bridgeName, type Network } from '../../../model/network.ts'

/** A gateway address on the bridge of its network. */
export type GatewayAddress = {
  readonly address: string
  readonly prefix: number
  readonly device: string
  readonly isGateway: true
}

/**
 * Address to which guests send what they route by IPv6: the same on whichever node the gateway is, so that a guest has one
 * default router and not one more after each change of the primary.
 */
const LINK_LOCAL_GATEWAY = { address: 'fe80::1', prefix: 64 }

/** Gateway addresses of all managed networks. */
export function gatewayAddresses(networks: readonly Network[]): readonly GatewayAddress[] {
  return networks
    .filter(({ type }) => type === 'managed')
    .flatMap(({ vni, ip4, ip6 }) => {
      const device = bridgeName(vni)
      const on = (address: string, prefix: number): GatewayAddress => ({ address, prefix, device, isGateway: true })
      return [
        ...(ip4?.gateway ? [on(ip4.gateway, prefixOf(ip4.network))] : []),
        ...(ip6?.gateway
          ? [on(LINK_LOCAL_GATEWAY.address, LINK_LOCAL_GATEWAY.prefix), on(ip6.gateway, prefixOf(ip6.network))]
          : []),
      ]
    })
}

function prefixOf(network: string): number {
  return Number(network.split('/')[1])
}

type PlainAddress = { readonly address: string; readonly prefix: number; readonly device: string }

/** Those of `a` that are not in `b`. */
export function without<T extends PlainAddress>(a: readonly T[], b: readonly PlainAddress[]): readonly T[] {
  return a.filter((each) => !b.some((other) => isSame(each, other)))
}

function isSame(a: PlainAddress, b: PlainAddress): boolean {
  return a.device === b.device && a.prefix === b.prefix && isSameAddress(a.address, b.address)
}
