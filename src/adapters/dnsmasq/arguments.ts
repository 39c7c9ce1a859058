/** The command line of a network's dnsmasq. Pure. */
import { addressFamily } from '../../model/ip.ts'
import { bridgeName, type DhcpReservation, METADATA_ADDRESS, type Network } from '../../model/network.ts'
import type { DhcpServer } from '../../ports/dhcp.ts'

export type DnsmasqSettings = {
  /** Executable that dnsmasq calls for each lease. */
  readonly script: string
  /** Directory with one file per reservation. */
  readonly reservationDir: string
  /** File that says who answers for the zones of the guest networks; read again on SIGHUP. */
  readonly zonesFile: string
  /** Resolvers asked for all other names; none: those of the host, as they are at each moment. */
  readonly forwarders: readonly string[]
}

/** The file of zones: each is asked for at our own name server. */
export function zonesText(
  zones: readonly string[],
  server: { readonly address: string; readonly port: number },
): string {
  return zones.map((zone) => `server=/${zone}/${server.address}#${server.port}\n`).join('')
}

/** How long an address is given for. */
const LEASE4 = '48h'
const LEASE6 = '24h'
const MAX_LEASES = 65_536

/** Arguments of dnsmasq for one network. */
export function dnsmasqArguments({ network, mtu }: DhcpServer, settings: DnsmasqSettings): readonly string[] {
  const device = bridgeName(network.vni)
  return [
    // Nothing of this host's own configuration: its /etc/dnsmasq.conf and /etc/hosts are not the guests'.
    '--conf-file=/dev/null',
    '--no-hosts',
    '--pid-file=',
    // A change of the group would make the kernel forget that it is to die with us.
    '--user=root',
    '--group=root',
    '--keep-in-foreground',
    '--log-facility=-',
    // Waits for the bridge and follows its addresses.
    '--bind-dynamic',
    `--interface=${device}`,
    '--except-interface=lo',
    '--domain-needed',
    '--bogus-priv',
    '--filterwin2k',
    // A name that is not there yet may be there in a second.
    '--no-negcache',
    `--domain=${network.domain}`,
    `--servers-file=${settings.zonesFile}`,
    ...(settings.forwarders.length > 0 ? ['--no-resolv'] : []),
    ...settings.forwarders.map((address) => `--server=${address}`),
    '--dhcp-authoritative',
    // The script is the only memory of leases, so it is told of renewals as well.
    '--leasefile-ro',
    `--dhcp-script=${settings.script}`,
    `--dhcp-hostsdir=${settings.reservationDir}`,
    `--dhcp-lease-max=${MAX_LEASES}`,
    // Otherwise each new address is pinged for three seconds; nobody but this server gives addresses here.
    '--no-ping',
    ...ip4Arguments(network, mtu),
    ...ip6Arguments(network, device, mtu),
  ]
}

function ip4Arguments({ ip4, domain, nameServers }: Network, mtu: number): readonly string[] {
  if (!ip4?.gateway || ip4.dhcp === null) return []
  const servers = nameServers.filter((address) => addressFamily(address) === 4)
  return [
    `--dhcp-range=${ip4.dhcp.start},${ip4.dhcp.end},${LEASE4}`,
    `--dhcp-option=option:router,${ip4.gateway}`,
    `--dhcp-option=option:dns-server,${(servers.length > 0 ? servers : [ip4.gateway]).join(',')}`,
    `--dhcp-option=option:domain-search,${domain}`,
    `--dhcp-option=option:ntp-server,${ip4.gateway}`,
    `--dhcp-option=option:mtu,${mtu}`,
    // Whoever obeys this option ignores the router option, so the default route is in it as well.
    `--dhcp-option=option:classless-static-route,${METADATA_ADDRESS}/32,${ip4.gateway},0.0.0.0/0,${ip4.gateway}`,
  ]
}

/** Beside IPv4 guests make their addresses themselves; alone, they are given them. */
function ip6Arguments({ ip4, ip6, domain, nameServers }: Network, device: string, mtu: number): readonly string[] {
  if (!ip6?.gateway) return []
  const servers = nameServers.filter((address) => addressFamily(address) === 6)
  const range =
    ip4 === null
      ? `--dhcp-range=::2,::ffff:ffff:ffff:ffff,constructor:${device},64,${LEASE6}`
      : `--dhcp-range=::,constructor:${device},ra-stateless`
  return [
    '--enable-ra',
    range,
    `--ra-param=${device},mtu:${mtu},0`,
    `--dhcp-option=option6:dns-server,${(servers.length > 0 ? servers : [ip6.gateway]).map((each) => `[${each}]`).join(',')}`,
    `--dhcp-option=option6:domain-search,${domain}`,
  ]
}

/** A reservation as a line of a file in the directory of reservations. */
export function reservationLine({ mac, address, hostname }: DhcpReservation): string {
  const where = addressFamily(address) === 6 ? `[${address}]` : address
  return `${[mac, where, ...(hostname === '' ? [] : [hostname])].join(',')}\n`
}
