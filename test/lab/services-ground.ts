/** The network and the guest of the story of services, and what several of its steps ask. */
import { inGuest } from './in-guest.ts'
import type { Lab } from './lab.ts'
import type { MovedGuest } from './moved-guest.ts'

export const VNI = '110'
export const BRIDGE = `vmbr${VNI}`
export const SUBNET = '10.100.10.0/24'
export const GATEWAY = '10.100.10.1'
export const DOMAIN = 'shop.lab'

export const GUEST: MovedGuest = { name: 'shopper', uuid: '5f2b1d56-1f5c-4f5f-9a43-0000000a1001' }
/** Where the guest runs; no server that this story ends. */
export const HOME = 'hv3'

const PING_MS = 50

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
