/** The addresses at which guests find their gateway, and the MAC addresses behind them. Pure. */
import { isSameAddress } from './address.ts'
import { bridgeName, type Network } from './network.ts'

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
export const LINK_LOCAL_GATEWAY = { address: 'fe80::1', prefix: 64 }

/** Gateway addresses of those managed networks whose gateway is on the primary, or of those that have it on every node. */
export function gatewayAddresses(
  networks: readonly Network[],
  mode: Network['gatewayMode'],
): readonly GatewayAddress[] {
  return networks
    .filter(({ type, gatewayMode }) => type === 'managed' && gatewayMode === mode)
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

/** First bytes of MAC addresses that we make: all local, each for one use. */
const OWN_MAC = 0x02
const ANYCAST_MAC = 0x06
const PRIMARY_MAC = 0x0a

/**
 * MAC of a network's bridge on one node, fixed, because a bridge would otherwise take over the lowest one of its ports,
 * and guests would lose their gateway when a VM starts.
 */
export function bridgeMac(vni: number, nodeNumber: number): string {
  return macOf(OWN_MAC, vni, nodeNumber)
}

/** MAC of a network's bridge, the same on every node: with it a guest that moves finds the gateway of its new node. */
export function anycastMac(vni: number): string {
  return macOf(ANYCAST_MAC, vni, 0)
}

/** MAC under which a node sends the primary what guests sent to their gateway, and what is not this node's to route. */
export function primaryMac(vni: number): string {
  return macOf(PRIMARY_MAC, vni, 0)
}

function macOf(first: number, vni: number, last: number): string {
  const bytes = [first, vni >> 16, vni >> 8, vni, last >> 8, last].map((byte) => byte & 0xff)
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

/** Whether a network has its gateway on every node. */
export function isAnycast({ type, gatewayMode }: Pick<Network, 'type' | 'gatewayMode'>): boolean {
  return type === 'managed' && gatewayMode === 'anycast'
}
