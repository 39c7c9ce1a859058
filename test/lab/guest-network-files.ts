/** What a lab has for networks of guests: FRR and VLAN devices in the hosts, a router outside. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { floatingAddress, labSourceDir, networks, roomAddress } from './plan.ts'

/** An address of the world outside: on the router behind the upstream network, reached by the hosts' default route. */
export const outsideAddress = '192.0.2.1'
/** Networks of guests that the router outside reaches through the primary's address in the upstream network. */
export const guestSupernet = '10.100.0.0/16'
const outsideDevice = networks.upstream.bridge

/** `network` of a host's configuration. VLANs go over the upstream cable, which is no port of a bridge. */
export const networkConfig = { underlayDevice: 'br0', bridgeDevice: networks.upstream.device }

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
export const roomRoutes = `addr add ${outsideAddress}/32 dev ${outsideDevice}
route add ${guestSupernet} via ${floatingAddress('upstream')} dev ${outsideDevice}`
