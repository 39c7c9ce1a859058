/** What the router outside knows of networks of guests, and what can be reached from there. */
import { outsideAddress } from './guest-network-files.ts'
import type { Lab } from './lab.ts'
import { pollUntil } from './poll.ts'

/** The host by which the router sends packets for a network; undefined: it knows of none. By BGP and in no other way. */
export async function learnedBy(lab: Lab, subnet: string): Promise<string | undefined> {
  const argv = ['ip', '-json', 'route', 'show', subnet, 'proto', 'bgp']
  const routes: { gateway?: string }[] = JSON.parse((await lab.sh(argv, { timeoutMs: 5000 })).stdout || '[]')
  return lab.hosts.find((host) => routes.length === 1 && host.address('upstream') === routes[0]?.gateway)?.name
}

/** Waits until the router sends packets for a network to `host`. @returns ms */
export async function untilLearnedBy(lab: Lab, subnet: string, host: string, timeoutMs = 30_000): Promise<number> {
  const startMs = performance.now()
  await pollUntil({ what: `the route to ${subnet} by ${host}, outside`, timeoutMs, intervalMs: 50 }, async () => {
    return (await learnedBy(lab, subnet)) === host
  })
  return performance.now() - startMs
}

/** Pings from outside, one each 50 ms. @returns how many were not answered */
export async function lostFromOutside(lab: Lab, address: string, count: number): Promise<number> {
  const argv = ['ping', '-q', '-I', outsideAddress, '-i', '0.05', '-W', '1', '-c', String(count), address]
  const { stdout, stderr } = await lab.sh(argv, { timeoutMs: count * 100 + 10_000, allowFailure: true })
  const answered = /(\d+) received/.exec(stdout)?.[1]
  if (answered === undefined) throw new Error(`ping said: ${stdout}${stderr}`)
  return count - Number(answered)
}

/** Waits until an address answers to the outside. @returns ms */
export async function untilReached(lab: Lab, address: string, timeoutMs = 30_000): Promise<number> {
  const startMs = performance.now()
  await pollUntil({ what: `${address}, from outside`, timeoutMs, intervalMs: 50 }, async () => {
    const argv = ['ping', '-q', '-I', outsideAddress, '-W', '0.3', '-c', '1', address]
    return (await lab.sh(argv, { timeoutMs: 5000, allowFailure: true })).exitCode === 0
  })
  return performance.now() - startMs
}
