/** The role that gives guests their addresses: one DHCP server per network, its leases in ZooKeeper. */
import type { Clock } from '../../../base/clock.ts'
import { errorChain } from '../../../model/errors.ts'
import type { Network } from '../../../model/network.ts'
import { VXLAN_OVERHEAD } from '../../../model/network-check.ts'
import type { DhcpServers } from '../../../ports/dhcp.ts'
import type { Log } from '../../../ports/log.ts'
import type { PrimaryRole, Reign } from '../../../ports/primary.ts'
import { tree } from '../../../schema/tree.ts'
import { readNetworks, readReservations } from '../../../view/networks.ts'
import { zoneNames } from '../dns/plan.ts'
import { createNetworkRole, type NetworkIndex } from '../network-role.ts'
import { ReignLeaseBook } from './lease-book.ts'

export type DhcpDeps = {
  readonly index: NetworkIndex
  readonly servers: DhcpServers
  readonly underlayMtu: number
  readonly clock: Clock
  readonly log: Log
}

/** Networks with something for a server to do: it also forwards names, for guests whose addresses are set by hand. */
function isServed({ type, ip4, ip6 }: Network): boolean {
  return type === 'managed' && Boolean(ip4?.gateway || ip6?.gateway)
}

export function createDhcpRole({ index, servers, underlayMtu, clock, log }: DhcpDeps): PrimaryRole {
  let current: { readonly reign: Reign; readonly book: ReignLeaseBook } | undefined
  const bookOf = async (reign: Reign): Promise<ReignLeaseBook> => {
    if (current?.reign === reign) return current.book
    await current?.book.close()
    current = { reign, book: new ReignLeaseBook(reign, clock, log) }
    return current.book
  }
  const showProblems = (reign: Reign): void => {
    const faults = servers.problems().map(({ vni, message }) => ({
      id: `DHCP_SERVER:${vni}`,
      severity: 'error' as const,
      message: `Guests of network ${vni} get no addresses: ${message}.`,
    }))
    reign.faults.replace('DHCP_SERVER', faults)
  }
  let isHushed = false
  const role = createNetworkRole({
    name: 'dhcp',
    index,
    follows: [tree.networks.path],
    clock,
    log,
    // A router advertisement says at which station the gateway is found: after the successor has said so, it would take it back.
    hush() {
      isHushed = true
      servers.stop().catch((error: unknown) => {
        log.error({ error: errorChain(error) }, 'DHCP servers did not end before the handover')
      })
    },
    async reclaim() {
      isHushed = false
      role.again()
    },
    async pass(reign) {
      const book = await bookOf(reign)
      if (isHushed) return
      const networks = readNetworks(index)
      const wanted = networks.filter(isServed).map((network) => ({
        network,
        mtu: network.mtu ?? underlayMtu - VXLAN_OVERHEAD,
        reservations: readReservations(index, network.vni),
      }))
      const zones = zoneNames(networks).map((zone) => zone.replace(/\.$/, ''))
      await servers.keep(wanted, zones, book, () => showProblems(reign))
      showProblems(reign)
    },
    async giveUp() {
      isHushed = false
      // First the servers: what they say last belongs into the book.
      await servers.stop()
      await current?.book.close()
      current?.reign.faults.replace('DHCP_SERVER', [])
      current = undefined
    },
  })
  return role
}
