/** The story of a fenced server that comes back: nothing of its old life is left, and its guests come home when it is asked. */
import type { Lab } from './lab.ts'
import { pollUntil } from './poll.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'
import { nodeViews, qemuPid, untilVm, vmView } from './vm-view.ts'

const vm = 'homing'
const uuid = 'aaaaaaaa-0000-4000-8000-000000000004'
const volume = 'vms/homing'
const home = 'hv3'

/** The fields of `pvc node fence-status -f json` that the story looks at. */
type FenceView = { state: string; seq: number; daemon_state: string }

async function fenceView(lab: Lab): Promise<FenceView> {
  const { stdout } = await lab.pvc(['-q', 'node', 'fence-status', home, '-f', 'json'], { timeoutMs: 15_000 })
  return JSON.parse(stdout) as FenceView
}

/** The VM runs there, its guest has written there, and its disk was never written by two. */
async function untilRunsAt(lab: Lab, is: (host: string) => boolean): Promise<string> {
  const { node } = await pollUntil({ what: `${vm} running elsewhere or at home`, timeoutMs: 90_000 }, async () => {
    const view = await vmView(lab, vm)
    return view.state === 'start' && is(view.node) && view
  })
  await lab.waitForHeartbeat(vm, { host: node, timeoutMs: 60_000 })
  const problems = await lab.recordProblems(vm, volume)
  expectThat(problems.length === 0, `the guest's disk tells: ${problems.join('; ')}`)
  return node
}

/** The server is in service again: its journal closed, nothing of it shut out, and in that domain state. */
async function untilBack(lab: Lab, domainState: string, seq: number): Promise<void> {
  await pollUntil({ what: `${home} back as ${domainState}`, timeoutMs: 90_000 }, async () => {
    const node = (await nodeViews(lab)).find(({ name }) => name === home)
    const fence = await fenceView(lab)
    return (
      fence.state === 'closed' && fence.seq === seq && node?.daemon_state === 'run' && node.domain_state === domainState
    )
  })
  const { stdout } = await lab.ceph(['osd', 'blocklist', 'ls'])
  // Single clients of it that died may stay there; the whole address may not.
  expectThat(!stdout.includes(`${lab.host(home).address('storage')}:0/0 `), `${home} is still shut out: ${stdout}`)
}

const defined: StoryStep = {
  title: 'a guest runs on the server that will be lost',
  async run(lab) {
    const { stdout } = await lab.pvc(['-q', 'storage', 'pool', 'list', '-f', 'raw'], { allowFailure: true })
    if (!stdout.includes('vms')) {
      await lab.pvc(['-q', 'storage', 'pool', 'add', 'vms', '8', '--replcfg', 'copies=1,mincopies=1'])
    }
    await lab.pvc(['-q', 'storage', 'volume', 'add', 'vms', 'homing', '64M'])
    const file = lab.sharedFile('homing.xml', await lab.guestXml({ name: vm, uuid, volume }))
    await lab.pvc(['-q', 'vm', 'define', '-t', home, file])
    await lab.pvc(['-q', 'vm', 'start', vm])
    return `at ${await untilRunsAt(lab, (host) => host === home)}`
  },
}

const comesHome: StoryStep = {
  title: 'it takes VMs again when it is asked, and its guest comes home',
  async run(lab) {
    await lab.pvc(['-q', 'node', 'ready', '-w', home], { timeoutMs: 120_000 })
    return `at ${await untilRunsAt(lab, (host) => host === home)}`
  },
}

const powerCut: StoryStep = {
  title: 'its power is cut: its guest starts elsewhere, and it comes back empty',
  async run(lab) {
    const startMs = performance.now()
    await lab.host(home).power('off')
    const target = await untilRunsAt(lab, (host) => host !== home)
    const tookMs = performance.now() - startMs
    await untilBack(lab, 'flushed', 1)
    return `runs on ${target} after ${seconds(tookMs)}, back after ${seconds(performance.now() - startMs)}`
  },
}

const onPurpose: StoryStep = {
  title: 'it is fenced on purpose while it works',
  async run(lab) {
    await lab.pvc(['-q', 'node', 'fence', home, '--yes'])
    const target = await untilRunsAt(lab, (host) => host !== home)
    await untilBack(lab, 'flushed', 2)
    return `runs on ${target}`
  },
}

const shutOut: StoryStep = {
  title: 'Ceph shuts it out though nobody fences it: it frees itself and starts its guest again',
  async run(lab) {
    const before = await qemuPid(lab, home, vm)
    await lab.ceph(['osd', 'blocklist', 'add', `${lab.host(home).address('storage')}:0/0`, '3600'])
    await pollUntil({ what: 'another QEMU of the guest', timeoutMs: 120_000 }, async () => {
      const now = await qemuPid(lab, home, vm)
      return now !== undefined && now !== before
    })
    await untilVm(lab, vm, 'start', 60_000)
    await untilBack(lab, 'ready', 2)
    return `at ${await untilRunsAt(lab, (host) => host === home)}`
  },
}

/** Each step stands on the ones before. */
export const returnStory: readonly StoryStep[] = [defined, powerCut, comesHome, onPurpose, comesHome, shutOut]
