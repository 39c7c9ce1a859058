/** Ceph client addresses as text. Pure. */

/** The entry of Ceph's blocklist for every client of an IP address, in Ceph's spelling: `10.90.1.13:0/0`, `[fd00::1]:0/0`. */
export function wholeAddress(ip: string): string {
  return ip.includes(':') ? `[${canonicalIp(ip)}]:0/0` : `${ip}:0/0`
}

/**
 * The second entry Ceph can hold for the same address, a range of one: `10.90.1.13:0/32`. An entry that is there already
 * is never prolonged by adding it again (measured on 16.2), so a lasting one stands beside it.
 */
export function rangeEntry(ip: string): string {
  return ip.includes(':') ? `[${canonicalIp(ip)}]:0/128` : `${ip}:0/32`
}

/** Both entries that shut out every client of an address. A returning node is free when neither is left. */
export function entriesOf(ip: string): readonly [string, string] {
  return [wholeAddress(ip), rangeEntry(ip)]
}

/** An IP address in the spelling of Ceph and of the system: IPv6 has several. */
export function canonicalIp(ip: string): string {
  return ip.includes(':') ? new URL(`http://[${ip}]/`).hostname.slice(1, -1) : ip
}

/** The IP part of a Ceph client address: `10.0.0.1:0/123`, `v1:10.0.0.1:0/123`, `[fd00::1]:0/123`. */
export function clientIp(address: string): string {
  const match = /^(?:v[12]:)?(?:\[([^\]]+)\]|([^:]+)):\d+\/\d+$/.exec(address)
  return match?.[1] ?? match?.[2] ?? address
}
