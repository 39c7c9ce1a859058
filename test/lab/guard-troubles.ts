/**
 * Troubles of a host that lives on: ZooKeeper's leader dies alone, the event loop of pvcnoded is blocked, the local disk of a
 * coordinator stalls. Nobody is fenced for any of them, and a change works soon after.
 */
import { expectCalm, takeCalm } from './calm.ts'
import { elapsed, untilNode } from './failover.ts'
import { expectUntouched, guardLog, guest, host, untilRuns, vm } from './guarded-guest.ts'
import { blockEventLoop } from './inspector.ts'
import type { Lab } from './lab.ts'
import { expectSound, hostsOf } from './moved-guest.ts'
import { moveToOwnDisk, stallOwnDisk } from './own-disk.ts'
import { pollUntil } from './poll.ts'
import { makePrimary, settledPrimary } from './primary.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'
import { zooKeeperLeader } from './zookeeper-leader.ts'

/** Beyond this something is stuck, also on a busy machine. */
const CHANGE_MS = 20_000
/** Longer than a session lives without contact, and what a primary needs to see that and to open a journal. */
const SUSPICION_MS = 10_000
const BLOCKED_MS = 3000
const STALLED_MS = 7000

let changes = 0

/** Changes a record until a change works. @returns ms until then */
export async function untilChanged(lab: Lab): Promise<number> {
  const fromMs = performance.now()
  await pollUntil({ what: 'a change by the API', timeoutMs: CHANGE_MS }, async () => {
    // A change whose answer was lost may have been made: another tag each time.
    changes += 1
    await lab.pvc(['-q', 'vm', 'tag', 'add', vm, `change${changes}`], { timeoutMs: 10_000 })
    return true
  })
  return performance.now() - fromMs
}

/**
 * Lets a trouble happen, and watches for as long as its consequences could take to show. @returns what `trouble` says, and
 * what was seen after it
 */
async function expectHarmless(lab: Lab, trouble: () => Promise<string>): Promise<string> {
  const pid = await untilRuns(lab)
  const before = await takeCalm(lab)
  const primary = await settledPrimary(lab)
  const said = await trouble()
  const troubleMs = performance.now()
  const changedMs = await untilChanged(lab)
  const last = lab.heartbeats(vm).at(-1)
  await elapsed(Math.max(0, SUSPICION_MS - (performance.now() - troubleMs)))
  const sameBoot = (heartbeat: { boot: string; written: boolean }) => heartbeat.written && heartbeat.boot === last?.boot
  await lab.waitForHeartbeat(vm, { host, after: last, wanted: sameBoot, timeoutMs: 10_000 })
  await expectUntouched(lab, pid, 0)
  const calm = await expectCalm(lab, before)
  const after = await settledPrimary(lab)
  const at = await hostsOf(lab, guest)
  expectThat(at.join() === host, `${vm} is at ${at.join(', ')}`)
  await expectSound(lab, guest)
  const role = after === primary ? `${after} stays primary` : `${after} is primary instead of ${primary}`
  return `${said}; a change works ${seconds(changedMs)} later, ${role}, ${calm}`
}

/** The server is killed, and kept down until another one leads. */
export const leaderGone: StoryStep = {
  title: 'ZooKeeper’s leader alone is killed, its host runs on: nobody is fenced, and changes go on',
  async run(lab) {
    const leader = await zooKeeperLeader(lab)
    return expectHarmless(lab, async () => {
      const fromMs = performance.now()
      await lab.host(leader).sh(['bash', '-c', 'svc kill zookeeper; svc stop zookeeper'], { timeoutMs: 20_000 })
      const next = await zooKeeperLeader(lab)
      const electedMs = performance.now() - fromMs
      expectThat(next !== leader, `${leader} still leads`)
      await lab.host(leader).service('zookeeper', 'start')
      return `${next} leads instead of ${leader} after ${seconds(electedMs)}`
    })
  },
}

/** At the primary: when it wakes up, what it knows of all the others is old. */
export const blockedLoop: StoryStep = {
  title: `the event loop of the primary’s pvcnoded is blocked for ${BLOCKED_MS / 1000} s: nobody is fenced`,
  async run(lab) {
    await makePrimary(lab, host)
    return expectHarmless(lab, async () => {
      const ms = await blockEventLoop(lab, host, 'pvcnoded', BLOCKED_MS)
      expectThat(ms >= BLOCKED_MS, `it was blocked for ${ms} ms only`)
      return `${host} was blocked for ${seconds(ms)}`
    })
  },
}

/** What ZooKeeper and pvcnoded of the host keep is moved; the guest runs on. */
export const ownDisk: StoryStep = {
  title: 'the coordinator gets a disk of its own for what it keeps',
  async run(lab) {
    const pid = await untilRuns(lab)
    const armed = guardLog(lab).split('armed: guests end').length
    await lab.host(host).sh(['svc', 'stop', 'pvcnoded', 'zookeeper'], { timeoutMs: 30_000 })
    await moveToOwnDisk(lab, host)
    await lab.host(host).sh(['svc', 'start', 'zookeeper', 'pvcnoded'])
    await untilNode(lab, host, 'run', 'ready')
    await pollUntil({ what: 'armed again', timeoutMs: 15_000 }, async () => {
      return guardLog(lab).split('armed: guests end').length > armed
    })
    await expectUntouched(lab, pid, 0)
    return host
  },
}

/** The last step on a lab: the disk is lost with the power of its host. */
export const stalledDisk: StoryStep = {
  title: `the local disk of the primary stalls for ${STALLED_MS / 1000} s: nobody is fenced, and changes go on`,
  async run(lab) {
    await makePrimary(lab, host)
    const leader = await zooKeeperLeader(lab)
    return expectHarmless(lab, async () => {
      const [waitedMs, meanwhileMs] = await Promise.all([
        stallOwnDisk(lab, host, STALLED_MS),
        elapsed(STALLED_MS / 2).then(() => untilChanged(lab)),
      ])
      expectThat(waitedMs >= STALLED_MS - 1000, `a write waited for ${Math.round(waitedMs)} ms only`)
      const role = leader === host ? 'ZooKeeper’s leader' : 'a follower of ZooKeeper'
      return `${host}, ${role}, did not write for ${seconds(waitedMs)}, a change took ${seconds(meanwhileMs)} meanwhile`
    })
  },
}
