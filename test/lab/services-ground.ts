/** The network and the guest of the story of services, and what several of its steps ask. */
import type { Heartbeat } from './guest-record.ts'
import { inGuest } from './in-guest.ts'
import type { Lab } from './lab.ts'
import { defineGuest, ensurePool, type MovedGuest } from './moved-guest.ts'
import { makePrimary, settledPrimary } from './primary.ts'

export const VNI = '110'
export const BRIDGE = `vmbr${VNI}`
export const SUBNET = '10.100.10.0/24'
export const GATEWAY = '10.100.10.1'
export const GATEWAY6 = 'fd00:100:10::1'
export const DOMAIN = 'shop.lab'
const IP4 = ['--ipnet', SUBNET, '--gateway', GATEWAY]
const IP6 = ['--ipnet6', 'fd00:100:10::/64', '--gateway6', GATEWAY6]
const DHCP = ['--dhcp', '--dhcp-start', '10.100.10.100', '--dhcp-end', '10.100.10.199']

export const GUEST: MovedGuest = { name: 'shopper', uuid: '5f2b1d56-1f5c-4f5f-9a43-0000000a1001' }
/** Where the guest runs; no server that this story ends. */
export const HOME = 'hv3'

const PING_MS = 50

/** Adds the network, with hv1 as primary, and starts the guest. Returns when the guest has said its first word with an address. */
export async function addShop(lab: Lab): Promise<Heartbeat> {
  await settledPrimary(lab)
  await makePrimary(lab, 'hv1')
  await lab.pvc(['-q', 'network', 'add', VNI, '-p', 'managed', '-d', 'shop', '-n', DOMAIN, ...IP4, ...IP6, ...DHCP])
  await ensurePool(lab)
  await defineGuest(lab, GUEST, HOME, [], { bridge: BRIDGE, agent: true })
  await lab.pvc(['-q', 'vm', 'start', GUEST.name])
  const wanted = ({ ip }: { ip: string | undefined }) => ip !== undefined
  return lab.waitForHeartbeat(GUEST.name, { wanted, timeoutMs: 60_000 })
}

/** Pings from the guest for `count` times 50 ms. @returns how many were not answered */
export async function lostPings(lab: Lab, target: string, count: number): Promise<number> {
  const script = `busybox ping -q -i ${PING_MS / 1000} -W 1 -c ${count} ${target}`
  const { stdout, stderr } = await inGuest(lab.host(HOME), GUEST.name, script, count * PING_MS + 30_000)
  const match = /(\d+) packets transmitted, (\d+) packets received/.exec(stdout)
  if (match === null) throw new Error(`ping said: ${stdout}${stderr}`)
  return Number(match[1]) - Number(match[2])
}

/** The guest's address, by its newest heartbeat. */
export function guestAddress(lab: Lab): string {
  return lab.heartbeats(GUEST.name).at(-1)?.ip ?? ''
}
