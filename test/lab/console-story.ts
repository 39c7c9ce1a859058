/** The story of a console: whoever follows it sees every line once, whatever happens to the guest, its node and the API. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { clientEnv } from './daemons.ts'
import { type Heartbeat, parseHeartbeats } from './guest-record.ts'
import type { Lab } from './lab.ts'
import { repoDir } from './plan.ts'
import { pollUntil } from './poll.ts'
import { expectThat, type StoryStep } from './story.ts'
import { untilVm, vmView } from './vm-view.ts'

const vm = 'talker'
const uuid = 'aaaaaaaa-0000-4000-8000-000000000041'
const volume = 'vms/talker'
/** Longer than the story: the follower ends with it. */
const followS = 900

const output = (lab: Lab): string => join(lab.dir, 'shared', 'followed.txt')
const pidFile = '/run/console-follower'

/** What `pvc vm log -f` has printed so far. */
function followed(lab: Lab): string {
  return existsSync(output(lab)) ? readFileSync(output(lab), 'utf8') : ''
}

/** Starts `pvc vm log -f` in the machine room. Its end is asked for by {@link endFollower}. */
function startFollower(lab: Lab): Promise<unknown> {
  const command = `${process.execPath} ${join(repoDir, 'dist/cli/pvc.cjs')} -q vm log -f -l 1000 ${vm}`
  const script = `echo $$ >${pidFile}; exec ${command} >${output(lab)} 2>&1`
  return lab.sh(['bash', '-c', script], { allowFailure: true, timeoutMs: followS * 1000, env: clientEnv(lab.instance) })
}

/** Heartbeats in the order in which they were printed: each once, and none missing within a boot. */
function expectEachOnce(lab: Lab): { readonly seen: readonly Heartbeat[]; readonly boots: number } {
  const seen = parseHeartbeats(followed(lab))
  for (const [index, heartbeat] of seen.entries()) {
    const before = seen[index - 1]
    if (before === undefined) continue
    const show = `${before.boot}/${before.n} is followed by ${heartbeat.boot}/${heartbeat.n}`
    if (heartbeat.boot === before.boot) expectThat(heartbeat.n === before.n + 1, show)
    else expectThat(heartbeat.n === 1 && heartbeat.c > before.c, show)
  }
  return { seen, boots: new Set(seen.map(({ boot }) => boot)).size }
}

/** Waits until the follower has printed a heartbeat after the newest one so far, and checks all. */
async function untilFollowed(lab: Lab, more: number, timeoutMs = 60_000): Promise<string> {
  const last = parseHeartbeats(followed(lab)).at(-1)?.c ?? 0
  await pollUntil({ what: `${more} more heartbeats at the follower`, timeoutMs }, async () => {
    return (parseHeartbeats(followed(lab)).at(-1)?.c ?? 0) >= last + more
  })
  const { seen, boots } = expectEachOnce(lab)
  return `${seen.length} heartbeats of ${boots} ${boots === 1 ? 'boot' : 'boots'}, each once`
}

const begin: StoryStep = {
  title: 'a guest prints, and somebody follows its console',
  async run(lab) {
    const { stdout } = await lab.pvc(['-q', 'storage', 'pool', 'list', '-f', 'raw'], { allowFailure: true })
    if (!stdout.includes('vms')) {
      await lab.pvc(['-q', 'storage', 'pool', 'add', 'vms', '8', '--replcfg', 'copies=1,mincopies=1'])
    }
    await lab.pvc(['-q', 'storage', 'volume', 'add', 'vms', 'talker', '64M'])
    const file = lab.sharedFile('talker.xml', await lab.guestXml({ name: vm, uuid, volume }))
    await lab.pvc(['-q', 'vm', 'define', '-t', 'hv2', file])
    void startFollower(lab)
    await lab.pvc(['-q', 'vm', 'start', vm])
    return untilFollowed(lab, 5)
  },
}

const migrated: StoryStep = {
  title: 'it is migrated live: no line is missing or there twice',
  async run(lab) {
    await lab.pvc(['-q', 'vm', 'migrate', vm, '-t', 'hv3', '-w'])
    const away = await untilFollowed(lab, 3)
    await lab.pvc(['-q', 'vm', 'unmigrate', vm, '-w'])
    return `${away}; and home again: ${await untilFollowed(lab, 3)}`
  },
}

const daemonKilled: StoryStep = {
  title: 'pvcnoded of its node is killed, and stopped and started',
  async run(lab) {
    const node = lab.host((await vmView(lab, vm)).node)
    await node.service('pvcnoded', 'kill')
    const killed = await untilFollowed(lab, 3)
    await node.service('pvcnoded', 'stop')
    await node.service('pvcnoded', 'start')
    return `${killed}; ${await untilFollowed(lab, 3)}`
  },
}

const apiGone: StoryStep = {
  title: 'the API that serves the follower goes away, and so does the next one',
  async run(lab) {
    await lab.host('hv1').service('pvcapid', 'stop')
    const first = await untilFollowed(lab, 3)
    await lab.host('hv1').service('pvcapid', 'start')
    await lab.host('hv2').service('pvcapid', 'kill')
    await lab.host('hv3').service('pvcapid', 'kill')
    return `${first}; ${await untilFollowed(lab, 3)}`
  },
}

const powerCut: StoryStep = {
  title: 'the node loses its power: the follower goes on with the guest’s next boot',
  async run(lab) {
    const before = (await vmView(lab, vm)).node
    await lab.host(before).power('off')
    await lab.host(before).power('on')
    await untilVm(lab, vm, 'start', 90_000)
    return untilFollowed(lab, 3, 120_000)
  },
}

const end: StoryStep = {
  title: 'Ctrl-C ends the follower, and the text it saw is the text that is kept',
  async run(lab) {
    await lab.sh(['bash', '-c', `kill -INT $(cat ${pidFile})`])
    const { seen } = expectEachOnce(lab)
    const { stdout } = await lab.pvc(['-q', 'vm', 'log', vm, '-l', '10000'])
    const kept = parseHeartbeats(stdout).slice(0, seen.length)
    expectThat(kept.length === seen.length, `${kept.length} heartbeats are kept, ${seen.length} were followed`)
    const log = await lab.pvc(['-q', 'node', 'log', 'hv2', '-l', '5'])
    expectThat(log.stdout.split('\n').length === 6, `pvc node log printed ${log.stdout}`)
    return `${seen.length} heartbeats`
  },
}

export const consoleStory: readonly StoryStep[] = [begin, migrated, daemonKilled, apiGone, powerCut, end]
