/** What stories and benches of a server's death do and measure. */
import type { Heartbeat } from './guest-record.ts'
import type { Lab } from './lab.ts'
import { expectSound, hostsOf, type MovedGuest } from './moved-guest.ts'
import { pollUntil } from './poll.ts'
import { nodeViews } from './vm-view.ts'

/** Where the times of a death are looked at; all in ms after it. */
export type Failover = {
  /** First and last domain of a victim that is listed elsewhere. */
  readonly firstDomainMs: number
  readonly lastDomainMs: number
  /** First heartbeat of a victim that was written elsewhere. */
  readonly firstWriteMs: number
  /** Every victim wrote. */
  readonly lastWriteMs: number
}

const RECOVERY_TIMEOUT_MS = 90_000

/**
 * Waits until every guest, on `dead` until now, runs and writes on another host, then proves of each that no write of its
 * old life came after the first one of the new. `startMs`: when the host died.
 */
export async function untilRecovered(
  lab: Lab,
  guests: readonly MovedGuest[],
  dead: string,
  startMs: number,
): Promise<Failover> {
  const before = new Map(guests.map(({ name }) => [name, lab.heartbeats(name).at(-1)]))
  const passed = () => performance.now() - startMs
  const looks = guests.map(async (guest) => {
    const host = await pollUntil(
      { what: `a domain of ${guest.name} elsewhere than at ${dead}`, timeoutMs: RECOVERY_TIMEOUT_MS, intervalMs: 100 },
      async () => (await hostsOf(lab, guest)).find((name) => name !== dead),
    )
    const domainMs = passed()
    const isNew = (heartbeat: Heartbeat) => heartbeat.written && heartbeat.boot !== before.get(guest.name)?.boot
    await lab.waitForHeartbeat(guest.name, { host, wanted: isNew, timeoutMs: RECOVERY_TIMEOUT_MS })
    return { domainMs, writeMs: passed() }
  })
  const seen = await Promise.all(looks)
  for (const guest of guests) await expectSound(lab, guest)
  return {
    firstDomainMs: Math.min(...seen.map(({ domainMs }) => domainMs)),
    lastDomainMs: Math.max(...seen.map(({ domainMs }) => domainMs)),
    firstWriteMs: Math.min(...seen.map(({ writeMs }) => writeMs)),
    lastWriteMs: Math.max(...seen.map(({ writeMs }) => writeMs)),
  }
}

/** Waits until a node's daemon and domain state are these. */
export async function untilNode(lab: Lab, name: string, daemon: string, domain: string, timeoutMs = 90_000) {
  await pollUntil({ what: `${name} ${daemon}, ${domain}`, timeoutMs }, async () => {
    const node = (await nodeViews(lab)).find((each) => each.name === name)
    return node?.daemon_state === daemon && node.domain_state === domain
  })
}

/** Brings a fenced host's VMs home: its power on unless it is, returned, and taken into service. */
export async function bringBack(lab: Lab, host: string, guests: readonly MovedGuest[]): Promise<void> {
  if (!(await lab.host(host).isOn())) await lab.host(host).power('on')
  await untilNode(lab, host, 'run', 'flushed')
  await lab.pvc(['-q', 'node', 'ready', host, '-w'], { timeoutMs: 120_000 })
  for (const guest of guests) {
    // The move is over when the record is handed over; libvirt of the source may list its ended domain for a moment more.
    await pollUntil({ what: `a domain of ${guest.name} at ${host} alone`, timeoutMs: 15_000 }, async () => {
      const at = await hostsOf(lab, guest)
      return at.length === 1 && at[0] === host
    })
    const last = lab.heartbeats(guest.name).at(-1)
    await lab.waitForHeartbeat(guest.name, { host, after: last, timeoutMs: 60_000 })
    await expectSound(lab, guest)
  }
}
