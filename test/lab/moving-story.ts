/** The story of moving: a guest changes places live, and stays one guest whatever happens to the move. */

import { readFileSync } from 'node:fs'
import { startBlackoutMeter } from './blackout.ts'
import type { Heartbeat } from './guest-record.ts'
import type { Lab } from './lab.ts'
import { pollUntil } from './poll.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'
import { untilVm, vmView } from './vm-view.ts'

const vm = 'roamer'
const uuid = 'aaaaaaaa-0000-4000-8000-000000000003'
const volume = 'vms/roamer'
/** So slow that a copy of this guest lasts for tens of seconds. */
const slow = ['--bandwidth', '1']

/** Hosts on which libvirt lists the VM's domain, running or not. */
async function domains(lab: Lab): Promise<string[]> {
  const found = await Promise.all(
    lab.hosts.map(async (host) => {
      if (!(await host.isOn())) return undefined
      const { stdout } = await host.sh(['virsh', '-q', 'list', '--all', '--name'], {
        timeoutMs: 15_000,
        allowFailure: true,
      })
      return stdout.split('\n').includes(vm) ? host.name : undefined
    }),
  )
  return found.filter((name) => name !== undefined)
}

/** One domain, on that host, with a guest that lost no write and was not started anew since `before`. */
async function expectOnlyAt(lab: Lab, host: string, before: Heartbeat | undefined): Promise<string> {
  const wanted = (heartbeat: Heartbeat) => heartbeat.written && (before === undefined || heartbeat.boot === before.boot)
  const after = await lab.waitForHeartbeat(vm, { host, wanted, ...(before === undefined ? {} : { after: before }) })
  await pollUntil({ what: `${vm} only at ${host}`, timeoutMs: 20_000 }, async () => {
    const at = await domains(lab)
    return at.length === 1 && at[0] === host
  })
  const problems = await lab.recordProblems(vm, volume)
  expectThat(problems.length === 0, `the guest's disk tells: ${problems.join('; ')}`)
  return `boot ${after.boot}, heartbeat ${before?.n ?? 0} → ${after.n}`
}

/** How often the host's pvcnoded became certified so far. */
function certifications(lab: Lab, host: string): number {
  return readFileSync(lab.host(host).log('pvcnoded'), 'utf8').split('"to":"certified"').length - 1
}

async function place(lab: Lab): Promise<string> {
  return (await vmView(lab, vm)).node
}

/** Waits until memory is being copied. */
async function untilCopying(lab: Lab, source: string): Promise<void> {
  await pollUntil({ what: 'a copy under way', timeoutMs: 20_000 }, async () => {
    const { stdout } = await lab.host(source).sh(['virsh', 'domjobinfo', vm], { timeoutMs: 10_000, allowFailure: true })
    return /Job type:\s+Unbounded/.test(stdout) && /Memory processed:\s+[1-9]/.test(stdout)
  })
}

const defined: StoryStep = {
  title: 'a guest to be moved runs on the first host',
  async run(lab) {
    const { stdout } = await lab.pvc(['-q', 'storage', 'pool', 'list', '-f', 'raw'], { allowFailure: true })
    if (!stdout.includes('vms')) {
      await lab.pvc(['-q', 'storage', 'pool', 'add', 'vms', '8', '--replcfg', 'copies=1,mincopies=1'])
    }
    await lab.pvc(['-q', 'storage', 'volume', 'add', 'vms', 'roamer', '64M'])
    const file = lab.sharedFile('roamer.xml', await lab.guestXml({ name: vm, uuid, volume }))
    await lab.pvc(['-q', 'vm', 'define', '-t', 'hv1', file])
    await lab.pvc(['-q', 'vm', 'start', vm])
    const heartbeat = await lab.waitForHeartbeat(vm, { wanted: (each) => each.written && each.ip !== undefined })
    return `at hv1, address ${heartbeat.ip}`
  },
}

const live: StoryStep = {
  title: 'it is migrated live: no heartbeat is lost, and the blackout is short',
  async run(lab) {
    const before = await lab.waitForHeartbeat(vm)
    const meter = startBlackoutMeter(lab, before.ip ?? '')
    const startMs = performance.now()
    await lab.pvc(['-q', 'vm', 'migrate', vm, '-t', 'hv2', '-w'])
    const tookMs = performance.now() - startMs
    const seen = await expectOnlyAt(lab, 'hv2', before)
    const blackoutMs = await meter.end()
    expectThat(blackoutMs < 2000, `the guest was silent for ${seconds(blackoutMs)}`)
    return `hv1 → hv2 in ${seconds(tookMs)}, silent for ${Math.round(blackoutMs)} ms; ${seen}`
  },
}

const home: StoryStep = {
  title: 'unmigrate brings it home',
  async run(lab) {
    const before = await lab.waitForHeartbeat(vm)
    await lab.pvc(['-q', 'vm', 'unmigrate', vm, '-w'])
    return expectOnlyAt(lab, 'hv1', before)
  },
}

const cancel: StoryStep = {
  title: 'a move is called off: the guest goes on where it was',
  async run(lab) {
    const before = await lab.waitForHeartbeat(vm)
    await lab.pvc(['-q', 'vm', 'migrate', vm, '-t', 'hv2', ...slow])
    await untilCopying(lab, 'hv1')
    await lab.pvc(['-q', 'vm', 'migrate', vm, '--cancel'])
    await pollUntil({ what: 'no migration', timeoutMs: 20_000 }, async () => (await vmView(lab, vm)).state === 'start')
    return expectOnlyAt(lab, 'hv1', before)
  },
}

function daemonKilled(which: 'source' | 'target'): StoryStep {
  return {
    title: `kill -9 of the ${which}’s pvcnoded in the middle of the copy`,
    async run(lab) {
      const source = await place(lab)
      const target = source === 'hv1' ? 'hv2' : 'hv1'
      const before = await lab.waitForHeartbeat(vm)
      await lab.pvc(['-q', 'vm', 'move', vm, '-t', target, '--bandwidth', '8'])
      await untilCopying(lab, source)
      await lab.host(which === 'source' ? source : target).service('pvcnoded', 'kill')
      await pollUntil({ what: `${vm} at ${target}`, timeoutMs: 60_000 }, async () => {
        const view = await vmView(lab, vm)
        return view.node === target && view.state === 'start'
      })
      return `${source} → ${target}; ${await expectOnlyAt(lab, target, before)}`
    },
  }
}

const targetCut: StoryStep = {
  title: 'power-cut of the target in the middle of the copy: the guest stays at the source',
  async run(lab) {
    const source = await place(lab)
    const before = await lab.waitForHeartbeat(vm)
    await lab.pvc(['-q', 'vm', 'migrate', vm, '-t', 'hv3', '--force-live', ...slow])
    await untilCopying(lab, source)
    await lab.host('hv3').power('off')
    await untilVm(lab, vm, 'start', 60_000)
    const seen = await expectOnlyAt(lab, source, before)
    await lab.host('hv3').power('on')
    await lab.pvc(['-q', 'vm', 'migrate', vm, '--cancel'], { allowFailure: true })
    return `stayed at ${source}; ${seen}`
  },
}

const sourceCut: StoryStep = {
  title: 'power-cut of the source after the hand-over: the guest runs on at the target',
  async run(lab) {
    const source = await place(lab)
    const target = source === 'hv1' ? 'hv2' : 'hv1'
    const before = await lab.waitForHeartbeat(vm)
    await lab.pvc(['-q', 'vm', 'move', vm, '-t', target, '-w'])
    const lives = certifications(lab, source)
    await lab.host(source).power('off')
    const seen = await expectOnlyAt(lab, target, before)
    await lab.host(source).power('on')
    // Its old proof of life stands for some seconds; only the new one makes it a place to move to.
    await pollUntil(
      { what: `${source} certified again`, timeoutMs: 30_000 },
      async () => certifications(lab, source) > lives,
    )
    return `${source} was cut off, ${seen}`
  },
}

/** A live migration and back, as the demo shows it. */
export const movingStory: readonly StoryStep[] = [defined, live, home]

/** What a move must survive; each step stands on the ones before. */
export const movingTroubles: readonly StoryStep[] = [
  ...movingStory,
  cancel,
  daemonKilled('source'),
  daemonKilled('target'),
  targetCut,
  sourceCut,
]
