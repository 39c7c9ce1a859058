/** Leases in the words of dnsmasq: what its script is called with, and what it reads at its start. Pure. */
import { z } from 'zod'
import { addressFamily } from '../../model/ip.ts'
import { DhcpLease, MacAddress } from '../../model/network.ts'
import type { LeaseEvent } from '../../ports/dhcp.ts'

/** What the lease script passes on, as it stands in dnsmasq's call; an absent value is an empty text. */
export const ScriptCall = z.object({
  vni: z.coerce.number().int().positive(),
  action: z.string(),
  /** MAC address, or DUID of an IPv6 client. */
  client: z.string().default(''),
  address: z.string().default(''),
  hostname: z.string().default(''),
  expires: z.string().default(''),
  clientId: z.string().default(''),
  iaid: z.string().default(''),
  serverDuid: z.string().default(''),
  /** MAC address of an IPv6 client, where dnsmasq knows it. */
  mac: z.string().default(''),
})
export type ScriptCall = z.infer<typeof ScriptCall>

/** What a call says; undefined: nothing that concerns leases. A renewal is told as `old`. */
export function leaseEvent(call: ScriptCall): LeaseEvent | undefined {
  if (addressFamily(call.address) === undefined) return undefined
  if (call.action === 'del') return { kind: 'over', address: call.address }
  if (call.action !== 'add' && call.action !== 'old') return undefined
  // dnsmasq writes a hardware type other than Ethernet before the address.
  const mac = MacAddress.safeParse(call.iaid === '' ? call.client : call.mac)
  const lease = DhcpLease.safeParse({
    address: call.address,
    ...(mac.success ? { mac: mac.data } : {}),
    hostname: call.hostname,
    clientId: call.iaid === '' ? call.clientId : call.client,
    ...(call.iaid === '' ? {} : { iaid: call.iaid }),
    expiresS: Number(call.expires === '' ? 'NaN' : call.expires),
  })
  if (!lease.success) return undefined
  return { kind: 'kept', lease: lease.data, serverDuid: call.serverDuid === '' ? undefined : call.serverDuid }
}

/** Leases as `init` prints them: IPv4, then the server's DUID, then IPv6, which is meaningless without it. */
export function leaseLines(leases: readonly DhcpLease[], serverDuid: string | undefined): string {
  const orStar = (text: string) => (text === '' ? '*' : text)
  const ip4 = leases.filter(({ iaid, mac }) => iaid === undefined && mac !== undefined)
  const ip6 = serverDuid === undefined ? [] : leases.filter(({ iaid }) => iaid !== undefined)
  const lines = [
    ...ip4.map((each) =>
      [each.expiresS, each.mac, each.address, orStar(each.hostname), orStar(each.clientId)].join(' '),
    ),
    ...(serverDuid === undefined ? [] : [`duid ${serverDuid}`]),
    ...ip6.map((each) =>
      [each.expiresS, each.iaid, each.address, orStar(each.hostname), orStar(each.clientId)].join(' '),
    ),
  ]
  return lines.map((line) => `${line}\n`).join('')
}
