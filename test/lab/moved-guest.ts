/** A guest that stories move about, and what must hold for it wherever it ends up. */
import { readFileSync } from 'node:fs'
import type { Heartbeat } from './guest-record.ts'
import type { GuestOptions } from './guest-xml.ts'
import type { Lab } from './lab.ts'
import { pollUntil } from './poll.ts'
import { expectThat } from './story.ts'
import { vmView } from './vm-view.ts'

/** A VM of a story; its volume is `vms/NAME`. */
export type MovedGuest = { readonly name: string; readonly uuid: string }

/** `pool/volume` of the guest. */
export function volumeOf({ name }: MovedGuest): string {
  return `vms/${name}`
}

/** Makes the pool `vms` unless it is there. */
export async function ensurePool(lab: Lab): Promise<void> {
  const { stdout } = await lab.pvc(['-q', 'storage', 'pool', 'list', '-f', 'raw'], { allowFailure: true })
  if (stdout.includes('vms')) return
  // With Ceph in the hosts a disk has to outlive any one of them.
  const copies = lab.instance.layout === 'hyperconverged' ? 2 : 1
  await lab.pvc(['-q', 'storage', 'pool', 'add', 'vms', '8', '--replcfg', `copies=${copies},mincopies=1`])
}

/** Makes the volume and defines the VM at `node`; `options` go to `pvc vm define`, `over` into the definition. */
export async function defineGuest(
  lab: Lab,
  guest: MovedGuest,
  node: string,
  options: readonly string[] = [],
  over: Partial<GuestOptions> = {},
): Promise<void> {
  const volume = volumeOf(guest)
  await lab.pvc(['-q', 'storage', 'volume', 'add', 'vms', guest.name, '64M'])
  const file = lab.sharedFile(`${guest.name}.xml`, await lab.guestXml({ ...guest, volume, ...over }))
  await lab.pvc(['-q', 'vm', 'define', '-t', node, ...options, file])
}

/** Names of the domains that libvirt of a host lists, running or not. */
export async function domainsAt(lab: Lab, host: string): Promise<readonly string[]> {
  const { stdout } = await lab.host(host).sh(['virsh', '-q', 'list', '--all', '--name'], {
    timeoutMs: 15_000,
    allowFailure: true,
  })
  return stdout.split('\n').filter((name) => name !== '')
}

/** Hosts that list the guest's domain. */
export async function hostsOf(lab: Lab, { name }: MovedGuest): Promise<readonly string[]> {
  const found = await Promise.all(
    lab.hosts.map(async (host) =>
      (await host.isOn()) && (await domainsAt(lab, host.name)).includes(name) ? [host.name] : [],
    ),
  )
  return found.flat()
}

/**
 * Exactly one domain, at `host`; the run record names that host; the guest lost no write, and is the one that ran
 * `before`. @returns what was seen
 */
export async function expectOnlyAt(
  lab: Lab,
  guest: MovedGuest,
  host: string,
  before: Heartbeat | undefined,
): Promise<string> {
  const { name } = guest
  const wanted = (heartbeat: Heartbeat) => heartbeat.written && (before === undefined || heartbeat.boot === before.boot)
  const after = await lab.waitForHeartbeat(name, { host, wanted, ...(before === undefined ? {} : { after: before }) })
  await pollUntil({ what: `${name} only at ${host}, by its record too`, timeoutMs: 30_000 }, async () => {
    const at = await hostsOf(lab, guest)
    if (at.length !== 1 || at[0] !== host) return false
    const { node, state } = await vmView(lab, name)
    return node === host && (state === 'start' || state === 'migrate')
  })
  await expectSound(lab, guest)
  return `boot ${after.boot}, heartbeat ${before?.n ?? 0} → ${after.n}`
}

/** No acknowledged write is missing, the counter never went back, nobody else wrote. */
export async function expectSound(lab: Lab, guest: MovedGuest): Promise<void> {
  const problems = await lab.recordProblems(guest.name, volumeOf(guest))
  expectThat(problems.length === 0, `the disk of ${guest.name} tells: ${problems.join('; ')}`)
}

/** Waits until memory of the guest is being copied away from `source`. */
export async function untilCopying(lab: Lab, { name }: MovedGuest, source: string): Promise<void> {
  await pollUntil({ what: `a copy of ${name} under way`, timeoutMs: 30_000 }, async () => {
    const ask = ['virsh', 'domjobinfo', name]
    const { stdout } = await lab.host(source).sh(ask, { timeoutMs: 10_000, allowFailure: true })
    return /Job type:\s+Unbounded/.test(stdout) && /Memory processed:\s+[1-9]/.test(stdout)
  })
}

/** Where the VM's record says it is. */
export async function placeOf(lab: Lab, { name }: MovedGuest): Promise<string> {
  return (await vmView(lab, name)).node
}

/** How often the host's pvcnoded came to run so far: certified, and everything that it waits for at a start is there. */
export function comings(lab: Lab, host: string): number {
  return readFileSync(lab.host(host).log('pvcnoded'), 'utf8').split('"status":"running"').length - 1
}

/** Waits until the host's pvcnoded came to run once more than `before`: only then it takes guests. */
export async function untilRunsAgain(lab: Lab, host: string, before: number): Promise<void> {
  await pollUntil(
    { what: `pvcnoded of ${host} running again`, timeoutMs: 40_000 },
    async () => comings(lab, host) > before,
  )
}

/** Waits until the API would let the guest move to the host: it has heard that the pvcnoded there runs. */
export async function untilPlaceFor(lab: Lab, { name }: MovedGuest, host: string): Promise<void> {
  const ask = ['-q', 'vm', 'move', name, '-t', host, '--dry-run']
  await pollUntil({ what: `${host} a place for ${name}`, timeoutMs: 5000 }, () => lab.pvc(ask))
}
