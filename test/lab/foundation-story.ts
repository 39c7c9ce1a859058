/** The first story: a real VM through the whole chain, and what must not disturb it. */
import type { GuestRecord } from './guest-record.ts'
import type { Lab } from './lab.ts'
import { pollUntil } from './poll.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'
import { nodeViews, qemuPid, untilVm, vmView } from './vm-view.ts'
import { zooKeeperLeader } from './zookeeper-leader.ts'

const vm = 'web'
const uuid = 'aaaaaaaa-0000-4000-8000-000000000001'
const volume = 'vms/web'
const host = 'hv1'
const lockedVm = 'locked'
const lockedUuid = 'aaaaaaaa-0000-4000-8000-000000000002'
const lockedVolume = 'vms/locked'

/** Heartbeats go on: a later one of the same boot than `before`. */
async function goesOn(lab: Lab, before: GuestRecord): Promise<string> {
  const after = await lab.waitForHeartbeat(vm, {
    after: before,
    wanted: (heartbeat) => heartbeat.written && (heartbeat.boot !== before.boot || heartbeat.n > before.n + 2),
  })
  expectThat(after.boot === before.boot, `the guest was restarted: boot ${before.boot} became ${after.boot}`)
  return `same boot ${after.boot}, heartbeat ${before.n} → ${after.n}`
}

async function expectSoundDisk(lab: Lab): Promise<void> {
  const problems = await lab.recordProblems(vm, volume)
  expectThat(problems.length === 0, `the guest's disk tells: ${problems.join('; ')}`)
}

async function newest(lab: Lab) {
  return lab.waitForHeartbeat(vm)
}

const threeNodes: StoryStep = {
  title: 'three nodes are up and ready',
  async run(lab) {
    const nodes = await pollUntil({ what: 'every node in daemon state run', timeoutMs: 30_000 }, async () => {
      const seen = await nodeViews(lab)
      return seen.length === lab.hosts.length && seen.every((node) => node.daemon_state === 'run') && seen
    })
    return nodes.map((node) => `${node.name} ${node.daemon_state},${node.domain_state}`).join('; ')
  },
}

const storage: StoryStep = {
  title: 'a pool and two volumes are made',
  async run(lab) {
    const copies = lab.instance.layout === 'central' ? 'copies=1,mincopies=1' : 'copies=2,mincopies=1'
    await lab.pvc(['-q', 'storage', 'pool', 'add', 'vms', '8', '--replcfg', copies])
    await lab.pvc(['-q', 'storage', 'volume', 'add', 'vms', 'web', '64M'])
    await lab.pvc(['-q', 'storage', 'volume', 'add', 'vms', 'locked', '64M'])
    const { stdout } = await lab.pvc(['-q', 'storage', 'volume', 'list', '-f', 'raw'])
    expectThat(/web/.test(stdout) && /locked/.test(stdout), `the volumes are not listed: ${stdout}`)
    return 'vms/web and vms/locked'
  },
}

const malformed: StoryStep = {
  title: 'a malformed definition is refused with line and reason',
  async run(lab) {
    const xml = await lab.guestXml({ name: 'broken', uuid: 'aaaaaaaa-0000-4000-8000-00000000000f', volume })
    const file = lab.sharedFile('broken.xml', xml.replace('</vcpu>', ''))
    const result = await lab.pvc(['-q', 'vm', 'define', file], { allowFailure: true })
    expectThat(result.exitCode === 1, `exit code ${result.exitCode}, expected 1`)
    expectThat(/line \d+/i.test(result.stderr + result.stdout), `no line is named: ${result.stderr}${result.stdout}`)
    const { stdout } = await lab.pvc(['-q', 'vm', 'list', '-f', 'raw'], { allowFailure: true })
    expectThat(!stdout.includes('broken'), 'the refused VM is listed')
    return (result.stderr + result.stdout).trim().split('\n').at(-1) ?? ''
  },
}

const defineAndStart: StoryStep = {
  title: 'a VM is defined from XML and started; its heartbeat appears',
  async run(lab) {
    const file = lab.sharedFile('web.xml', await lab.guestXml({ name: vm, uuid, volume }))
    await lab.pvc(['-q', 'vm', 'define', '-t', host, file])
    const startMs = performance.now()
    await lab.pvc(['-q', 'vm', 'start', vm])
    await untilVm(lab, vm, 'start', 20_000)
    await pollUntil({ what: 'a QEMU process', timeoutMs: 20_000 }, () => qemuPid(lab, host, vm))
    const runningMs = performance.now() - startMs
    // On a machine that does other things, too, an emulated guest takes its time to boot.
    const heartbeat = await lab.waitForHeartbeat(vm, { timeoutMs: 120_000 })
    return `QEMU ran after ${seconds(runningMs)}, first heartbeat after ${seconds(performance.now() - startMs)} (boot ${heartbeat.boot})`
  },
}

function daemonRestart(how: 'restart' | 'kill'): StoryStep {
  const words = how === 'kill' ? 'kill -9 of pvcnoded' : 'a restart of pvcnoded'
  return {
    title: `${words} does not disturb the guest`,
    async run(lab) {
      const before = await newest(lab)
      const pid = await qemuPid(lab, host, vm)
      await lab.host(host).service('pvcnoded', how)
      const seen = await goesOn(lab, before)
      await pollUntil({ what: `${host} in daemon state run`, timeoutMs: 20_000 }, async () =>
        (await nodeViews(lab)).some((node) => node.name === host && node.daemon_state === 'run'),
      )
      expectThat((await qemuPid(lab, host, vm)) === pid, 'another QEMU runs now')
      await expectSoundDisk(lab)
      return seen
    },
  }
}

const killQemu: StoryStep = {
  title: 'kill -9 of QEMU: the VM is started again, its dead client’s lock broken',
  async run(lab) {
    const before = await newest(lab)
    const pid = await qemuPid(lab, host, vm)
    expectThat(pid !== undefined, 'no QEMU runs')
    const killedMs = performance.now()
    const { stdout } = await lab.host(host).sh(['bash', '-ec', 'date +%s.%N; kill -9 "$1"', 'kill', String(pid)])
    await pollUntil({ what: 'a new QEMU process', timeoutMs: 30_000 }, async () => {
      const now = await qemuPid(lab, host, vm)
      return now !== undefined && now !== pid
    })
    // The permit is written right before the create call, by the same clock as the kill.
    const permit = await lab.host(host).sh(['stat', '-c', '%.9Y', `/run/pvc/permit/${uuid}`])
    const createdMs = (Number(permit.stdout) - Number(stdout)) * 1000
    await lab.waitForHeartbeat(vm, {
      after: before,
      wanted: (heartbeat) => heartbeat.written && heartbeat.boot !== before.boot,
    })
    const writtenMs = performance.now() - killedMs
    expectThat(createdMs < 10_000, `the create call came only after ${seconds(createdMs)}`)
    await expectSoundDisk(lab)
    return `create issued after ${seconds(createdMs)}, first guest write after ${seconds(writtenMs)}`
  },
}

const shutdownAndStart: StoryStep = {
  title: 'the VM shuts down in an orderly way and starts again',
  async run(lab) {
    const startMs = performance.now()
    await lab.pvc(['-q', 'vm', 'shutdown', '-y', '-w', vm])
    const downMs = performance.now() - startMs
    expectThat((await vmView(lab, vm)).state === 'stop', 'the VM is not in state stop')
    expectThat((await qemuPid(lab, host, vm)) === undefined, 'QEMU still runs')
    const before = lab.heartbeats(vm).at(-1)
    await lab.pvc(['-q', 'vm', 'start', vm])
    await lab.waitForHeartbeat(vm, {
      after: before,
      wanted: (heartbeat) => heartbeat.written && heartbeat.boot !== before?.boot,
    })
    await expectSoundDisk(lab)
    return `shut down in ${seconds(downMs)}, every acknowledged write is on the disk`
  },
}

const leaderStop: StoryStep = {
  title: 'ZooKeeper’s leader is stopped: guests go on, commands work again at once',
  async run(lab) {
    const before = await newest(lab)
    const leader = await zooKeeperLeader(lab)
    const profile = `after-${Date.now()}`
    const stoppedMs = performance.now()
    await lab.host(leader).service('zookeeper', 'stop')
    const attempts = await commandWorks(lab, profile)
    const workedMs = performance.now() - stoppedMs
    const seen = await goesOn(lab, before)
    await lab.host(leader).service('zookeeper', 'start')
    const nodes = await pollUntil({ what: 'every node in daemon state run', timeoutMs: 20_000 }, async () => {
      const views = await nodeViews(lab)
      return views.every((node) => node.daemon_state === 'run') && views
    })
    await expectSoundDisk(lab)
    return `leader was ${leader}; a change went through after ${seconds(workedMs)} (${attempts} tries); ${nodes.length} nodes run; ${seen}`
  },
}

/** Tries a change until it goes through; returns the number of tries. */
async function commandWorks(lab: Lab, profile: string): Promise<number> {
  let tries = 0
  await pollUntil({ what: 'a change goes through', timeoutMs: 20_000, intervalMs: 10 }, async () => {
    tries += 1
    const result = await lab.pvc(['-q', 'vm', 'meta', '-p', profile, vm], { allowFailure: true, timeoutMs: 10_000 })
    return result.exitCode === 0
  })
  return tries
}

const strangersLock: StoryStep = {
  title: 'a VM whose disk a stranger has locked is refused, with the reason',
  async run(lab) {
    const file = lab.sharedFile(
      'locked.xml',
      await lab.guestXml({ name: lockedVm, uuid: lockedUuid, volume: lockedVolume }),
    )
    await lab.pvc(['-q', 'vm', 'define', '-t', 'hv2', file])
    const pidFile = '/run/stranger.pid'
    const bench = `echo $$ > ${pidFile}; exec rbd bench --io-type write --io-size 4K --io-threads 1 --io-total 1T ${lockedVolume}`
    const stranger = lab.sh(['bash', '-c', bench], { allowFailure: true, timeoutMs: 60_000 })
    try {
      await pollUntil({ what: 'the stranger’s lock', timeoutMs: 15_000 }, async () =>
        (await lab.rbd(['lock', 'ls', lockedVolume, '--format', 'json'])).stdout.includes('"id"'),
      )
      await lab.pvc(['-q', 'vm', 'start', lockedVm], { allowFailure: true })
      const { failed_reason: reason } = await untilVm(lab, lockedVm, 'fail', 15_000)
      expectThat(
        reason.includes(lockedVolume) && /10\.90\.1\.1\b/.test(reason),
        `the reason does not name volume and owner: ${reason}`,
      )
      return reason
    } finally {
      await lab.sh(['bash', '-c', `kill $(cat ${pidFile})`], { allowFailure: true })
      await stranger
    }
  },
}

const strangerGone: StoryStep = {
  title: 'the stranger is gone: the same VM starts',
  async run(lab) {
    await lab.pvc(['-q', 'vm', 'start', lockedVm])
    const heartbeat = await lab.waitForHeartbeat(lockedVm, { host: 'hv2' })
    await lab.pvc(['-q', 'vm', 'shutdown', '-y', '-w', lockedVm])
    await lab.pvc(['-q', 'vm', 'remove', '-y', lockedVm])
    const { stdout } = await lab.rbd(['ls', 'vms'])
    expectThat(!stdout.includes('locked'), 'the removed VM left its volume')
    return `ran (boot ${heartbeat.boot}), was shut down and removed with its disk`
  },
}

/** The steps in order; each stands on the ones before. */
export const foundationStory: readonly StoryStep[] = [
  threeNodes,
  storage,
  malformed,
  defineAndStart,
  daemonRestart('restart'),
  daemonRestart('kill'),
  killQemu,
  shutdownAndStart,
  leaderStop,
  strangersLock,
  strangerGone,
]
