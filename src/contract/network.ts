import { z } from 'zod'
import { optionalPattern } from './argument.ts'
import { Count, defineRoute } from './route.ts'

const Ip4 = z.object({
  network: z.string(),
  gateway: z.string(),
  dhcp_flag: z.string(),
  dhcp_start: z.string(),
  dhcp_end: z.string(),
})
const Ip6 = z.object({ network: z.string(), gateway: z.string(), dhcp_flag: z.string() })

/** A virtual network. */
export const Network = z.object({
  vni: Count,
  description: z.string(),
  type: z.string(),
  mtu: z.union([z.string(), z.number()]).nullable(),
  domain: z.string(),
  name_servers: z.array(z.string()),
  ip4: Ip4,
  ip6: Ip6,
})
export type Network = z.infer<typeof Network>

export const networkRoutes = {
  networkList: defineRoute('networkList', {
    summary: 'Virtual networks. Older clients ask for it whenever they list VMs.',
    input: z.object({ limit: optionalPattern }),
    output: z.array(Network),
  }),
} as const
