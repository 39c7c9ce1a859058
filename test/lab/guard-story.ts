/** The story of the guard: who is cut off loses its guests in time, and nobody else loses any. */
import { elapsed } from './failover.ts'
import { blockedLoop, leaderGone, ownDisk, stalledDisk, untilChanged } from './guard-troubles.ts'
import { expectUntouched, guardLog, guest, host, isAlive, latchesIn, untilRuns, vm } from './guarded-guest.ts'
import type { Lab } from './lab.ts'
import { defineGuest, ensurePool, expectSound } from './moved-guest.ts'
import { pollUntil } from './poll.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'
import { nodeViews, qemuPid } from './vm-view.ts'
import { zooKeeperLeader } from './zookeeper-leader.ts'

const boundMs = 9000
/** A look each tenth of a second, and what a busy machine adds. */
const lateMs = 500

/** Waits for the next strike. @returns a sentence about it */
async function untilStruck(lab: Lab, pid: number, latches: number): Promise<string> {
  const ms = await pollUntil(
    { what: 'the guard strikes', timeoutMs: 30_000 },
    async () => latchesIn(guardLog(lab))[latches],
  )
  const gone = await pollUntil(
    { what: 'every guest is dead', timeoutMs: 5000 },
    async () =>
      /every guest is dead, (\d+) ms after the bound/.exec(guardLog(lab).split('no contact for ').at(-1) ?? '')?.[1],
  )
  expectThat(!(await isAlive(lab, pid)), `QEMU ${pid} still lives`)
  expectThat(
    ms >= boundMs && ms <= boundMs + lateMs,
    `it struck ${ms} ms after the last contact, expected ${boundMs} to ${boundMs + lateMs}`,
  )
  return `struck ${seconds(ms)} after the last contact, all dead ${gone} ms later`
}

async function setZooKeeperCut(lab: Lab, isCut: boolean): Promise<void> {
  const rules = `add table inet guardcut
add chain inet guardcut out { type filter hook output priority 0; }
add rule inet guardcut out tcp dport 2181 drop`
  await lab.host(host).sh(['nft', isCut ? rules : 'delete table inet guardcut'])
}

/** The guest came back by itself, and its disk shows one writer and no lost write. */
async function untilBack(lab: Lab): Promise<number> {
  const pid = await untilRuns(lab)
  const last = lab.heartbeats(vm).at(-1)
  await lab.waitForHeartbeat(vm, { after: last, timeoutMs: 60_000 })
  await expectSound(lab, guest)
  return pid
}

const begin: StoryStep = {
  title: 'a guest runs; the guard is armed and feeds the watchdog',
  async run(lab) {
    await ensurePool(lab)
    await defineGuest(lab, guest, host)
    await lab.pvc(['-q', 'vm', 'start', vm])
    await lab.waitForHeartbeat(vm)
    await pollUntil({ what: 'an armed guard', timeoutMs: 10_000 }, async () =>
      guardLog(lab).includes('armed: guests end'),
    )
    expectThat(/watchdog: .* resets this machine/.test(guardLog(lab)), 'no watchdog is fed')
    const nodes = await nodeViews(lab)
    return nodes.map((node) => `${node.name} ${node.daemon_state}`).join(', ')
  },
}

const shortTroubles: StoryStep = {
  title: 'pvcnoded killed and back, then frozen for 4 s: nothing happens',
  async run(lab) {
    const pid = await untilRuns(lab)
    await lab.host(host).service('pvcnoded', 'kill')
    await elapsed(11_000)
    await expectUntouched(lab, pid, 0)
    await lab.host(host).service('pvcnoded', 'pause')
    await elapsed(4000)
    await lab.host(host).service('pvcnoded', 'resume')
    await elapsed(7000)
    await expectUntouched(lab, pid, 0)
    return `QEMU ${pid} runs on`
  },
}

const stopped: StoryStep = {
  title: 'an orderly stop disarms the guard: the guest runs on for longer than the bound',
  async run(lab) {
    const pid = await untilRuns(lab)
    await lab.host(host).service('pvcnoded', 'stop')
    await pollUntil({ what: 'a disarmed guard', timeoutMs: 2000 }, async () => guardLog(lab).includes('>disarmed'))
    await elapsed(12_000)
    await expectUntouched(lab, pid, 0)
    await lab.host(host).service('pvcnoded', 'start')
    await pollUntil(
      { what: 'armed again', timeoutMs: 15_000 },
      async () => guardLog(lab).split('armed: guests end').length > 2,
    )
    return `QEMU ${pid} runs on`
  },
}

/** The server of the guest's host is the one that stays up: it knows the most, so that it leads afterwards. */
const quorumLost: StoryStep = {
  title: 'ZooKeeper has no quorum for 30 s: no guest is ended',
  async run(lab) {
    const pid = await untilRuns(lab)
    const [first = '', second = ''] = lab.hosts.map(({ name }) => name).filter((name) => name !== host)
    await lab.host(first).service('zookeeper', 'stop')
    await untilChanged(lab)
    await lab.host(second).service('zookeeper', 'stop')
    await elapsed(30_000)
    await expectUntouched(lab, pid, 0)
    await lab.host(first).service('zookeeper', 'start')
    const leader = await zooKeeperLeader(lab)
    await lab.host(second).service('zookeeper', 'start')
    await pollUntil({ what: 'every node in daemon state run', timeoutMs: 30_000 }, async () =>
      (await nodeViews(lab)).every((node) => node.daemon_state === 'run'),
    )
    await expectUntouched(lab, pid, 0)
    return `${first} and ${second} were down, ${leader} leads now; QEMU ${pid} runs on`
  },
}

const cutOff: StoryStep = {
  title:
    'cut off from ZooKeeper for longer than the bound: the guests are ended in time, and start again after it is healed',
  async run(lab) {
    const pid = await untilRuns(lab)
    await setZooKeeperCut(lab, true)
    const seen = await untilStruck(lab, pid, 0)
    await elapsed(3000)
    expectThat((await qemuPid(lab, host, vm)) === undefined, 'a guest was started while cut off')
    await setZooKeeperCut(lab, false)
    await untilBack(lab)
    expectThat(guardLog(lab).includes('latch 1 is cleared'), 'the latch was not cleared')
    return seen
  },
}

const frozen: StoryStep = {
  title: 'pvcnoded hangs: the guard strikes by itself',
  async run(lab) {
    const pid = await untilRuns(lab)
    await lab.host(host).service('pvcnoded', 'pause')
    const seen = await untilStruck(lab, pid, 1)
    await lab.host(host).service('pvcnoded', 'resume')
    await untilBack(lab)
    return seen
  },
}

const guardGone: StoryStep = {
  title: 'the guard dies while armed: back in time it goes on; gone for good, the watchdog resets the host',
  async run(lab) {
    const pid = await untilRuns(lab)
    const bootId = lab.host(host).bootId()
    await lab.host(host).service('guard', 'kill')
    await elapsed(12_000)
    await expectUntouched(lab, pid, 2)
    expectThat(lab.host(host).bootId() === bootId, 'the host was reset')
    await lab.host(host).service('guard', 'stop')
    const stoppedMs = performance.now()
    await pollUntil({ what: 'the reset', timeoutMs: 20_000 }, async () => lab.host(host).bootId() !== bootId)
    const resetMs = performance.now() - stoppedMs
    await untilBack(lab)
    return `reset ${seconds(resetMs)} after the guard ended; the guest runs again`
  },
}

/** What must not end a guest; each step stands on the ones before. */
export const guardPatience: readonly StoryStep[] = [
  begin,
  shortTroubles,
  leaderGone,
  blockedLoop,
  stopped,
  ownDisk,
  quorumLost,
  stalledDisk,
]

/** On one host alone, so that nobody fences it meanwhile: what ends its guests, and how it comes back. */
export const guardStrikes: readonly StoryStep[] = [begin, cutOff, frozen, guardGone]
