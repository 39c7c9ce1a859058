/** What stories and benches of a server's death do and measure. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Heartbeat } from './guest-record.ts'
import type { Lab } from './lab.ts'
import { defineGuest, ensurePool, expectSound, hostsOf, type MovedGuest } from './moved-guest.ts'
import { pollUntil } from './poll.ts'
import { expectThat, seconds } from './story.ts'
import { nodeViews, qemuPid } from './vm-view.ts'

/** The times of a death until the last VM is started elsewhere, all in ms after it. */
export type FailoverStarts = {
  /** The primary saw that the proof of life is gone. */
  readonly suspectMs: number
  /** The life is proven over, and it is shut out of Ceph. */
  readonly provenMs: number
  /** First and last start of a victim elsewhere, as QEMU's log tells. */
  readonly firstStartMs: number
  readonly lastStartMs: number
}

/** The times of a death, all in ms after it. */
export type Failover = FailoverStarts & {
  /** First heartbeat of a victim that was written elsewhere. */
  readonly firstWriteMs: number
  /** Every victim wrote. */
  readonly lastWriteMs: number
}

/** The fields of `pvc node fence-status -f json` that stories look at. Times of events are the machine's clock. */
export type FenceView = {
  state: string
  seq: number
  opened_at: number | null
  ordered_by: string
  daemon_state: string
  evidence: { kind: string; at: number }[]
  /** Seconds after the opening of the journal, to when the VM's record was given on. */
  victims: { name: string; state: string; target: string; after_s: number }[]
  events: { at: number; after_s: number; step: string; text: string }[]
}

const RECOVERY_TIMEOUT_MS = 90_000

/** How far the fencing of a node is, by the API; by that of one host where `via` names it. */
export async function fenceView(lab: Lab, node: string, via?: string): Promise<FenceView> {
  const words = ['-q', 'node', 'fence-status', node, '-f', 'json']
  const options = { timeoutMs: 15_000 }
  const { stdout } =
    via === undefined ? await lab.pvc(words, options) : await lab.host(via).sh(['pvc', ...words], options)
  return JSON.parse(stdout) as FenceView
}

/** The timeline of a fence, a line each. */
export function timeline({ events }: Pick<FenceView, 'events'>): string {
  return events.map(({ after_s, step, text }) => `    ${after_s.toFixed(1).padStart(6)} s  ${step}: ${text}`).join('\n')
}

type Start = { readonly host: string; readonly atMs: number }

/** Every start of a guest's QEMU on any host, by libvirt's log of it; times in ms since 1970. Looking costs nothing. */
export function startsOf(lab: Lab, vm: string): readonly Start[] {
  return lab.hosts.flatMap(({ name, dir }) => {
    const file = join(dir, 'log/libvirt/qemu', `${vm}.log`)
    if (!existsSync(file)) return []
    const lines = readFileSync(file, 'utf8').matchAll(/^(\S+ \S+)\+0000: starting up/gm)
    return [...lines].map(([, when = '']) => ({ host: name, atMs: Date.parse(`${when.replace(' ', 'T')}Z`) }))
  })
}

/** A moment: `nowMs` to count from, `wallMs` to compare with what the lab's programs write. */
export type Cut = {
  readonly nowMs: number
  readonly wallMs: number
  readonly newest: ReadonlyMap<string, Heartbeat | undefined>
}

/** Takes the time, and what each guest wrote last; call it just before the death. */
export function takeCut(lab: Lab, guests: readonly MovedGuest[]): Cut {
  const newest = new Map(guests.map(({ name }) => [name, lab.heartbeats(name).at(-1)]))
  return { nowMs: performance.now(), wallMs: Date.now(), newest }
}

/**
 * Waits until every guest, on `dead` until now, runs and writes on another host, then proves of each that no write of its
 * old life came after the first one of the new.
 */
export async function untilRecovered(
  lab: Lab,
  guests: readonly MovedGuest[],
  dead: string,
  cut: Cut,
): Promise<Failover> {
  const seen = await Promise.all(guests.map((guest) => untilElsewhere(lab, guest, dead, cut)))
  const view = await fenceView(lab, dead)
  for (const guest of guests) await expectSound(lab, guest)
  return {
    ...provenTimes(view, cut),
    firstStartMs: Math.min(...seen.map(({ startMs }) => startMs)),
    lastStartMs: Math.max(...seen.map(({ startMs }) => startMs)),
    firstWriteMs: Math.min(...seen.map(({ writeMs }) => writeMs)),
    lastWriteMs: Math.max(...seen.map(({ writeMs }) => writeMs)),
  }
}

/** When the death was seen and when it was proven; NaN: the journal does not tell. */
export function provenTimes({ events }: FenceView, { wallMs }: Cut): Pick<Failover, 'suspectMs' | 'provenMs'> {
  const eventMs = (step: string, words: RegExp) => {
    const at = events.findLast((event) => event.step === step && words.test(event.text))?.at
    return at === undefined ? Number.NaN : at - wallMs
  }
  return { suspectMs: eventMs('suspect', /./), provenMs: eventMs('evidence', /its life is over/) }
}

/** The first start of a guest elsewhere than at `dead` after the cut, if there was one. */
export function startElsewhere(lab: Lab, { name }: MovedGuest, dead: string, { wallMs }: Cut): Start | undefined {
  return startsOf(lab, name).find(({ host, atMs }) => host !== dead && atMs >= wallMs)
}

async function untilElsewhere(lab: Lab, guest: MovedGuest, dead: string, cut: Cut) {
  const { name } = guest
  const { nowMs, wallMs, newest } = cut
  const what = `a start of ${name} elsewhere than at ${dead}`
  const start = await pollUntil({ what, timeoutMs: RECOVERY_TIMEOUT_MS, intervalMs: 200 }, async () =>
    startElsewhere(lab, guest, dead, cut),
  )
  const old = newest.get(name)
  const wanted = (heartbeat: Heartbeat) => heartbeat.written && heartbeat.boot !== old?.boot
  await lab.waitForHeartbeat(name, { host: start.host, after: old, wanted, timeoutMs: RECOVERY_TIMEOUT_MS })
  return { startMs: start.atMs - wallMs, writeMs: performance.now() - nowMs }
}

/** The times as a sentence. */
export function told(failover: Failover): string {
  const { suspectMs, provenMs, firstStartMs, lastStartMs, firstWriteMs, lastWriteMs } = failover
  const [suspect, proven, start, end, write, last] = [
    suspectMs,
    provenMs,
    firstStartMs,
    lastStartMs,
    firstWriteMs,
    lastWriteMs,
  ].map(seconds)
  return `suspected after ${suspect}, proven over after ${proven}, started elsewhere after ${start} to ${end}, wrote after ${write} to ${last}`
}

/** Until so much time has passed: to see that nothing happens meanwhile. */
export async function elapsed(ms: number): Promise<void> {
  const endMs = performance.now() + ms
  await pollUntil({ what: `${ms} ms`, timeoutMs: ms + 10_000 }, async () => performance.now() >= endMs)
}

/** `count` guests of one story; `code` is two hexadecimal digits that no other story of the lab has. */
export function makeGuests(prefix: string, code: string, count: number): readonly MovedGuest[] {
  return Array.from({ length: count }, (_, index) => {
    const number = String(index + 1)
    return { name: `${prefix}${number}`, uuid: `aaaaaaaa-0000-4000-8000-00000000${code}${number.padStart(2, '0')}` }
  })
}

/** Defines guests at a host and waits until all of them write there. */
export async function settleGuests(lab: Lab, guests: readonly MovedGuest[], host: string): Promise<void> {
  await ensurePool(lab)
  for (const guest of guests) {
    await defineGuest(lab, guest, host)
    await lab.pvc(['-q', 'vm', 'start', guest.name])
  }
  for (const { name } of guests) await lab.waitForHeartbeat(name, { host, timeoutMs: 120_000 })
}

/** No QEMU of these is left at a host that is up. */
export async function expectGone(lab: Lab, guests: readonly MovedGuest[], host: string): Promise<void> {
  for (const { name } of guests)
    expectThat((await qemuPid(lab, host, name)) === undefined, `${name} still has a QEMU at ${host}`)
}

/** Waits until a node's daemon and domain state are these. */
export async function untilNode(lab: Lab, name: string, daemon: string, domain: string, timeoutMs = 90_000) {
  await pollUntil({ what: `${name} ${daemon}, ${domain}`, timeoutMs, intervalMs: 500 }, async () => {
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
    // libvirt lists the source of a move for a moment after its QEMU has ended.
    await pollUntil({ what: `${guest.name} only at ${host}`, timeoutMs: 30_000, intervalMs: 300 }, async () => {
      const at = await hostsOf(lab, guest)
      return at.length === 1 && at[0] === host
    })
    const last = lab.heartbeats(guest.name).at(-1)
    await lab.waitForHeartbeat(guest.name, { host, after: last, timeoutMs: 60_000 })
    await expectSound(lab, guest)
  }
}
