/**
 * The story of a server that lives but is not heard: cut off from ZooKeeper or Ceph only, with a BMC that lies, with a frozen
 * daemon. Whatever is concluded, no guest runs twice, and no disk is written by two.
 */
import {
  bringBack,
  elapsed,
  expectGone,
  type FenceView,
  fenceView,
  makeGuests,
  settleGuests,
  takeCut,
  told,
  untilNode,
  untilRecovered,
} from './failover.ts'
import type { Lab } from './lab.ts'
import { expectSound, hostsOf } from './moved-guest.ts'
import { pollUntil } from './poll.ts'
import { makePrimary } from './primary.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'
import { nodeViews, qemuPid } from './vm-view.ts'

const victim = 'hv3'
const guests = makeGuests('far', '0b', 2)
/** Beyond this something is stuck, also on a busy machine; the bench measures against the budgets. */
const WITHOUT_POWER_MS = 90_000

const begin: StoryStep = {
  title: `two guests run at ${victim}, which is not primary`,
  async run(lab) {
    await makePrimary(lab, 'hv1')
    await settleGuests(lab, guests, victim)
    return guests.map(({ name }) => name).join(', ')
  },
}

/** Its own ZooKeeper server goes on; only clients of it find none. Storage, and the way to other nodes, stay. */
async function cutFromZooKeeper(lab: Lab, isCut: boolean): Promise<void> {
  const rules = `add table inet zkcut
add chain inet zkcut out { type filter hook output priority 0; }
add rule inet zkcut out tcp dport 2181 drop`
  await lab.host(victim).sh(['nft', isCut ? rules : 'delete table inet zkcut'])
}

function textOf({ events }: FenceView): string {
  return events.map(({ text }) => text).join('\n')
}

async function expectAllSound(lab: Lab): Promise<void> {
  for (const guest of guests) await expectSound(lab, guest)
}

const disobedient: StoryStep = {
  title:
    'cut off from ZooKeeper only, with a BMC that says yes and does nothing: its guard ends its guests before others run',
  async run(lab) {
    await lab.host(victim).bmc({ lie: true })
    const boot = lab.host(victim).bootId()
    const cut = takeCut(lab, guests)
    await cutFromZooKeeper(lab, true)
    const failover = await untilRecovered(lab, guests, victim, cut)
    expectThat(lab.host(victim).bootId() === boot, `${victim} was booted anew`)
    await expectGone(lab, guests, victim)
    const fence = await fenceView(lab, victim)
    const kinds = fence.evidence.map(({ kind }) => kind)
    expectThat(kinds.includes('self-fence') && !kinds.includes('power-off'), `the proof was ${kinds.join(', ')}`)
    expectThat(/still says the power is on/.test(textOf(fence)), `nothing is told of the BMC: ${textOf(fence)}`)
    expectThat(failover.firstStartMs <= WITHOUT_POWER_MS, told(failover))
    await lab.host(victim).bmc({ lie: false })
    await cutFromZooKeeper(lab, false)
    await untilNode(lab, victim, 'run', 'flushed')
    await expectAllSound(lab)
    return told(failover)
  },
}

const pretending: StoryStep = {
  title:
    'the same with a BMC that says off although it is on: believed, and yet the old guests cannot write, for Ceph shuts them out',
  async run(lab) {
    await bringBack(lab, victim, guests)
    await lab.host(victim).bmc({ pretend: true })
    const boot = lab.host(victim).bootId()
    const cut = takeCut(lab, guests)
    await cutFromZooKeeper(lab, true)
    const failover = await untilRecovered(lab, guests, victim, cut)
    const kinds = (await fenceView(lab, victim)).evidence.map(({ kind }) => kind)
    expectThat(kinds.includes('power-off'), `the proof was ${kinds.join(', ')}`)
    expectThat(lab.host(victim).bootId() === boot, `${victim} was booted anew`)
    await lab.host(victim).bmc({ pretend: false })
    await cutFromZooKeeper(lab, false)
    await untilNode(lab, victim, 'run', 'flushed')
    await expectGone(lab, guests, victim)
    await expectAllSound(lab)
    return told(failover)
  },
}

/** Lets a frozen pvcnoded go on; the machine may lose its power in this very moment. */
async function resume(lab: Lab): Promise<void> {
  try {
    await lab.host(victim).service('pvcnoded', 'resume')
  } catch (error) {
    if (await lab.host(victim).isOn()) throw error
  }
}

/** Freezes pvcnoded; either it was fenced or it is certified again, and each guest runs once. */
function frozenFor(ms: number): StoryStep {
  return {
    title: `pvcnoded frozen for ${ms / 1000} s: fenced or certified again, each guest runs once, and the timeline says why`,
    async run(lab) {
      await bringBack(lab, victim, guests)
      const before = await fenceView(lab, victim)
      const bootBefore = lab.host(victim).bootId()
      await lab.host(victim).service('pvcnoded', 'pause')
      await elapsed(ms)
      // Fenced meanwhile, it is off, going off, or another boot, whose daemon was never frozen.
      const boot = lab.host(victim).bootId()
      if (boot === bootBefore && (await lab.host(victim).isOn())) await resume(lab)
      const fence = await untilSettled(lab, before.seq)
      const last = guests.map(({ name }) => lab.heartbeats(name).at(-1))
      for (const [index, guest] of guests.entries()) {
        await pollUntil({ what: `${guest.name} at one host`, timeoutMs: 60_000, intervalMs: 500 }, async () => {
          return (await hostsOf(lab, guest)).length === 1
        })
        await lab.waitForHeartbeat(guest.name, { after: last[index], timeoutMs: 60_000 })
        await expectSound(lab, guest)
      }
      if (fence.seq === before.seq) return 'it was not even suspected'
      const end = fence.events.at(-1)
      const kinds = fence.evidence.map(({ kind }) => kind)
      if (kinds.length === 0) return `certified again: ${end?.text}`
      return `fenced: ${kinds.join(', ')}`
    },
  }
}

/** Nothing more is going on: never opened, taken back, or recovered and back. */
async function untilSettled(lab: Lab, seqBefore: number): Promise<FenceView> {
  await pollUntil({ what: `${victim} in service`, timeoutMs: 90_000, intervalMs: 500 }, async () => {
    if (!(await lab.host(victim).isOn())) return false
    const fence = await fenceView(lab, victim)
    return fence.state === 'closed' && fence.daemon_state === 'run'
  })
  const fence = await fenceView(lab, victim)
  expectThat(fence.seq <= seqBefore + 1, `it was fenced ${fence.seq - seqBefore} times`)
  return fence
}

const storageLost: StoryStep = {
  title: 'it loses the storage network only: nobody is fenced, its guests wait for their disks and go on',
  async run(lab) {
    const home = (await nodeViews(lab)).find(({ name }) => name === victim)
    if (home?.domain_state !== 'ready') await bringBack(lab, victim, guests)
    const { seq } = await fenceView(lab, victim)
    const pids = await Promise.all(guests.map(({ name }) => qemuPid(lab, victim, name)))
    const cutMs = performance.now()
    await lab.host(victim).isolate('storage')
    await pollUntil({ what: 'the fault CEPH_UNREACHABLE', timeoutMs: 60_000, intervalMs: 500 }, async () => {
      const { stdout } = await lab.pvc(['-q', 'node', 'info', victim, '-f', 'json'], { timeoutMs: 15_000 })
      return stdout.includes('CEPH_UNREACHABLE')
    })
    const faultMs = performance.now() - cutMs
    await elapsed(Math.max(0, 20_000 - faultMs))
    const last = guests.map(({ name }) => lab.heartbeats(name).at(-1))
    await lab.host(victim).heal('storage')
    for (const [index, { name }] of guests.entries()) {
      await lab.waitForHeartbeat(name, { host: victim, after: last[index], timeoutMs: 60_000 })
    }
    const after = await Promise.all(guests.map(({ name }) => qemuPid(lab, victim, name)))
    expectThat(JSON.stringify(after) === JSON.stringify(pids), 'another QEMU runs now, or none')
    expectThat((await fenceView(lab, victim)).seq === seq, `${victim} was fenced`)
    await expectAllSound(lab)
    return `told after ${seconds(faultMs)}, the guests write again`
  },
}

/** The steps, each on what the ones before left. */
export const cutOffStory: readonly StoryStep[] = [
  begin,
  disobedient,
  pretending,
  frozenFor(8000),
  frozenFor(20_000),
  storageLost,
]
