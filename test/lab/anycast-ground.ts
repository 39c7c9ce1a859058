/** Networks and guests of the story of gateways that are on every node, and what it sees of them. */
import { inGuest } from './in-guest.ts'
import type { Lab } from './lab.ts'
import type { MovedGuest } from './moved-guest.ts'
import { vmView } from './vm-view.ts'

export type Net = { readonly vni: string; readonly name: string; readonly prefix: string; readonly ip6: string }
export const front: Net = { vni: '120', name: 'front', prefix: '10.100.20', ip6: 'fd00:100:20:' }
export const back: Net = { vni: '121', name: 'back', prefix: '10.100.21', ip6: 'fd00:100:21:' }
export const gatewayOf = ({ prefix }: Net): string => `${prefix}.1`

export type Guest = MovedGuest & { readonly net: Net; readonly home: string }
/** On different nodes, neither of them the primary. */
export const fred: Guest = { name: 'fred', uuid: '5f2b1d56-1f5c-4f5f-9a43-0000000a2001', net: front, home: 'hv2' }
export const bert: Guest = { name: 'bert', uuid: '5f2b1d56-1f5c-4f5f-9a43-0000000a2002', net: back, home: 'hv3' }
export const PRIMARY = 'hv1'
export const PING_MS = 50

export async function run(lab: Lab, guest: Guest, script: string, timeoutMs = 20_000) {
  const { node } = await vmView(lab, guest.name)
  return inGuest(lab.host(node), guest.name, script, timeoutMs)
}

/** The address that the guest was given. */
export function addressOf(lab: Lab, { name }: Guest): string {
  return lab.heartbeats(name).findLast(({ ip }) => ip !== undefined)?.ip ?? '?'
}

export type Pings = { readonly sent: number; readonly lost: number; readonly text: string }

/** Pings from a guest for `count` times 50 ms. It must stay on its node. */
export async function ping(lab: Lab, guest: Guest, target: string, count: number): Promise<Pings> {
  const script = `busybox ping -i ${PING_MS / 1000} -W 1 -c ${count} ${target}`
  const { stdout, stderr } = await run(lab, guest, script, count * PING_MS + 40_000)
  const match = /(\d+) packets transmitted, (\d+) packets received/.exec(stdout)
  if (match === null) throw new Error(`ping of ${target} in ${guest.name} said: ${stdout}${stderr}`)
  return { sent: Number(match[1]), lost: Number(match[1]) - Number(match[2]), text: stdout }
}

/** Frames that leave a node by a network's tunnel while something happens, of those that a filter of nftables takes. */
export async function tunnelled(
  lab: Lab,
  host: string,
  { vni }: Net,
  what: string,
  work: () => Promise<unknown>,
): Promise<number> {
  const nft = (text: string) => lab.host(host).sh(['nft', text], { timeoutMs: 5000 })
  const chain = '{ type filter hook postrouting priority 300; policy accept; }'
  await nft(
    `add table bridge story; add chain bridge story out ${chain}; add rule bridge story out oifname vxlan${vni} ${what} counter`,
  )
  await work()
  const { stdout } = await nft('list table bridge story')
  await nft('delete table bridge story')
  return Number(/counter packets (\d+)/.exec(stdout)?.[1])
}
