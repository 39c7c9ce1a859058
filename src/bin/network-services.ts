/** Composition of what the primary does for guest networks: gateways, DHCP, names, metadata. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LoadedConfig } from '../adapters/config/config-file.ts'
import { createDnsmasq } from '../adapters/dnsmasq/dnsmasq.ts'
import { createMetadataServer } from '../adapters/metadata/metadata-server.ts'
import { createAddressRecord } from '../adapters/net/address-record.ts'
import { createPdns } from '../adapters/pdns/pdns.ts'
import { createPrograms } from '../adapters/process/programs.ts'
import type { Clock } from '../base/clock.ts'
import { floatingAddresses } from '../coordinator/floating.ts'
import { createDhcpRole } from '../coordinator/network/dhcp/role.ts'
import { createDnsRole } from '../coordinator/network/dns/role.ts'
import { createGatewayRole } from '../coordinator/network/gateway/role.ts'
import { createMetadataRole } from '../coordinator/network/metadata/role.ts'
import type { Log } from '../ports/log.ts'
import type { HostNetwork } from '../ports/network.ts'
import type { PrimaryRole } from '../ports/primary.ts'
import type { Index } from '../view/index.ts'

const LEASE_SCRIPT = fileURLToPath(new URL('../../share/dnsmasq-lease-script', import.meta.url))
/** Where the forwarders of guests, on the same host, reach our name server; the floating addresses may be missing. */
const OWN_NAME_SERVER = { address: '127.0.0.1', port: 53 }
/** A router outside hears within some milliseconds that a route is gone; on a busy node within this. */
const DRAIN_MS = 300

/** Where it is written down which programs run. */
export function programRuns(config: LoadedConfig): string {
  return join(config.paths.run, 'programs')
}

/** The duties in their order. Nothing runs before the first reign. */
export function createNetworkServices(
  config: LoadedConfig,
  index: Index,
  network: HostNetwork,
  clock: Clock,
  daemonLog: Log,
): readonly PrimaryRole[] {
  const log = daemonLog.child({ component: 'network-services' })
  const { run } = config.paths
  const { dns, underlayMtu } = config.network
  const programs = createPrograms({ clock, log, runDir: programRuns(config) })
  const servers = createDnsmasq({
    script: LEASE_SCRIPT,
    forwarders: dns.forwarders,
    runDir: run,
    nameServer: OWN_NAME_SERVER,
    programs,
    log,
  })
  // Not below the directory of the daemon: the name server is another user.
  const server = createPdns({ dir: `${run}-dns`, allowTransfer: dns.allowTransfer, programs, log })
  const { upstream, cluster } = config.cluster.floating
  const drainMs = config.network.bgp.upstream.length > 0 ? DRAIN_MS : 0
  const outside = floatingAddresses({ cluster: { ...config.cluster, floating: { upstream, cluster } } })
  return [
    createGatewayRole({ index, network, record: createAddressRecord(run, 'gateways'), drainMs, clock, log }),
    createDhcpRole({ index, servers, underlayMtu, clock, log }),
    createDnsRole({
      index,
      server,
      addresses: [OWN_NAME_SERVER.address, ...outside.map(({ address }) => address)],
      nameServer: `pvc-dns.${dns.domain}.`,
      clock,
      log,
    }),
    createMetadataRole({ index, server: createMetadataServer({ log }), network, clock, log }),
  ]
}
