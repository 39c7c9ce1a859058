/** A server's death with many VMs, for the failover bench: how far apart the first and the last of them are started. */
import { cpus, loadavg } from 'node:os'
import {
  type Cut,
  type FenceView,
  fenceView,
  provenTimes,
  startElsewhere,
  takeCut,
  timeline,
  untilNode,
} from '../lab/failover.ts'
import type { Lab } from '../lab/lab.ts'
import { hostsOf, type MovedGuest } from '../lab/moved-guest.ts'
import { pollUntil } from '../lab/poll.ts'
import { expectStartedOnce, startsCounted } from '../lab/sector-guest.ts'

const RECOVERY_TIMEOUT_MS = 300_000
/** All of them come home by live moves. */
const HOME_TIMEOUT_MS = 900_000

/**
 * One death. `given` is the time of the journal, when a record was moved to its new node; `start` is when libvirt there began
 * to start QEMU, so `issued_spread_s` is from the first to the last start that was issued. What the guests do then is
 * no part of it; that each of them did start, once, is proven by its disk.
 *
 * A start takes about a second of processor time, with what QEMU, Ceph, ZooKeeper and the daemons do for it (perf, two
 * processors). Where all processors are busy from the death to the last start, the spread is the machine's, not PVC's: so that is told.
 */
export async function dieWithMany(
  lab: Lab,
  guests: readonly MovedGuest[],
  victim: string,
): Promise<{ readonly seconds: Readonly<Record<string, number>>; readonly words: string }> {
  const before = await startsCounted(lab, guests)
  const loadBefore = loadavg()[0] ?? 0
  const ticksBefore = ticks()
  const cut = takeCut(lab, guests)
  await lab.host(victim).power('off')
  const startsMs = await untilAllStarted(lab, guests, victim, cut)
  const loadAfter = loadavg()[0] ?? 0
  const busy = busyPercent(ticksBefore, ticks())
  const view = await untilGiven(lab, guests, victim)
  console.log(timeline(view))
  await expectStartedOnce(lab, guests, victim, before)
  const { suspectMs, provenMs } = provenTimes(view, cut)
  const given = spread(givenMs(view, cut))
  const issued = spread(startsMs)
  const seconds = {
    suspect_s: suspectMs / 1000,
    proven_s: provenMs / 1000,
    first_given_s: given.first,
    last_given_s: given.last,
    given_spread_s: given.last - given.first,
    first_start_s: issued.first,
    last_start_s: issued.last,
    issued_spread_s: issued.last - issued.first,
  }
  const told = Object.entries(seconds).map(([metric, value]) => `${metric} ${value.toFixed(1)}`)
  const load = `load of one minute ${loadBefore.toFixed(1)} before, ${loadAfter.toFixed(1)} at the last start, processors ${busy} % busy`
  return { seconds, words: `${guests.length} VMs: ${told.join(', ')}; ${load}` }
}

type Ticks = { readonly all: number; readonly idle: number }

function ticks(): Ticks {
  const times = cpus().map(({ times }) => times)
  const idle = times.reduce((sum, each) => sum + each.idle, 0)
  return { idle, all: times.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, idle) }
}

function busyPercent(before: Ticks, after: Ticks): number {
  return Math.round(100 * (1 - (after.idle - before.idle) / (after.all - before.all)))
}

function spread(timesMs: readonly number[]): { readonly first: number; readonly last: number } {
  return { first: Math.min(...timesMs) / 1000, last: Math.max(...timesMs) / 1000 }
}

async function untilAllStarted(lab: Lab, guests: readonly MovedGuest[], dead: string, cut: Cut): Promise<number[]> {
  const what = `a start of each of ${guests.length} VMs elsewhere than at ${dead}`
  return pollUntil({ what, timeoutMs: RECOVERY_TIMEOUT_MS, intervalMs: 2000 }, async () => {
    const starts = guests.flatMap((guest) => startElsewhere(lab, guest, dead, cut) ?? [])
    return starts.length === guests.length && starts.map(({ atMs }) => atMs - cut.wallMs)
  })
}

/** The journal is written at the end of a round of recovery, which may be after the last start. */
function untilGiven(lab: Lab, guests: readonly MovedGuest[], dead: string): Promise<FenceView> {
  const what = `${guests.length} VMs given to other nodes, by the journal of ${dead}`
  return pollUntil({ what, timeoutMs: 60_000, intervalMs: 500 }, async () => {
    const view = await fenceView(lab, dead)
    return givenOf(view).length === guests.length && view
  })
}

function givenOf({ victims }: FenceView): FenceView['victims'] {
  return victims.filter(({ state }) => state === 'moved')
}

function givenMs(view: FenceView, { wallMs }: Cut): number[] {
  return givenOf(view).map(({ after_s }) => (view.opened_at ?? Number.NaN) + after_s * 1000 - wallMs)
}

/** All of them at the victim again, so that another round can begin. */
export async function bringManyBack(lab: Lab, guests: readonly MovedGuest[], victim: string): Promise<void> {
  await lab.host(victim).power('on')
  await untilNode(lab, victim, 'run', 'flushed')
  await lab.pvc(['-q', 'node', 'ready', victim, '-w'], { timeoutMs: HOME_TIMEOUT_MS })
  for (const guest of guests)
    await pollUntil({ what: `${guest.name} only at ${victim}`, timeoutMs: 60_000, intervalMs: 500 }, async () => {
      const at = await hostsOf(lab, guest)
      return at.length === 1 && at[0] === victim
    })
}
