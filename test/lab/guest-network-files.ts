/** What a lab has for networks of guests: FRR and VLAN devices in the hosts, a router outside. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { labSourceDir, networks, roomAddress } from './plan.ts'

/** An address of the world outside: on the router behind the upstream network, reached by the hosts' default route. */
export const outsideAddress = '192.0.2.1'
const outsideDevice = networks.upstream.bridge

/** The router's own AS; it hears of networks of guests by BGP only. */
const outsideAsn = 64_999
const clusterAsn = 65_500

/** `network` of a host's configuration. VLANs go over the upstream cable, which is no port of a bridge. */
export const networkConfig = {
  underlayDevice: 'br0',
  bridgeDevice: networks.upstream.device,
  bgp: { asn: clusterAsn, upstream: [{ address: roomAddress('upstream'), asn: outsideAsn }] },
}

/** Files of a host: its `ip`, and FRR as the operator guide sets it up. */
export function guestNetworkFiles(): Record<string, string> {
  const init = join(labSourceDir, 'init')
  const daemons = readFileSync('/etc/frr/daemons', 'utf8')
    .replace(/^bgpd=no$/m, 'bgpd=yes')
    .concat('watchfrr_options="-i 1 -t 10 --min-restart-interval 1 --max-restart-interval 10"\n')
  return {
    'usr/local/sbin/ip': readFileSync(join(init, 'ip.sh'), 'utf8').replaceAll('LAB_INIT', init),
    'etc/frr/daemons': daemons,
  }
}

/**
 * FRR as its systemd unit runs it, in the foreground. Its daemons are children of init: they end only with their own
 * end, as after a death of watchfrr on metal.
 */
export const frrService = `install -d -o frr -g frr -m 755 /run/frr
. /etc/frr/daemons
exec /usr/lib/frr/watchfrr $watchfrr_options zebra bgpd staticd`

/** Lines of `ip -batch`: a host's way out. */
export const hostRoutes = `route add default via ${roomAddress('upstream')} dev ${networks.upstream.device}`

/** Lines of `ip -batch` in the machine room: the world outside. */
export const roomRoutes = `addr add ${outsideAddress}/32 dev ${outsideDevice}`

/** Services of the machine room: the router outside, as somebody else would set it up. `dir` takes its files. */
export function outsideRouter(dir: string): Readonly<Record<'zebra' | 'bgpd', { config: string; command: string }>> {
  // The machine's /etc/frr is nothing to the lab: each daemon has a file of its own.
  const daemon = (name: string): string =>
    `install -d -o frr -g frr -m 755 /run/frr
exec /usr/lib/frr/${name} -A 127.0.0.1 -f ${dir}/${name}.conf -i /run/frr/${name}.pid`
  const bgp = `router bgp ${outsideAsn}
 bgp router-id ${roomAddress('upstream')}
 no bgp ebgp-requires-policy
 neighbor cluster peer-group
 neighbor cluster remote-as ${clusterAsn}
 neighbor cluster advertisement-interval 0
 bgp listen range ${networks.upstream.prefix}.0/24 peer-group cluster
exit
`
  return {
    zebra: { config: 'hostname outside\n', command: daemon('zebra') },
    bgpd: { config: `hostname outside\n${bgp}`, command: daemon('bgpd') },
  }
}
