/** The story of maintenance: a node is emptied and filled again with its guests running, whatever happens meanwhile. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import type { Heartbeat } from './guest-record.ts'
import type { Lab } from './lab.ts'
import {
  comings,
  defineGuest,
  domainsAt,
  ensurePool,
  expectOnlyAt,
  expectSound,
  type MovedGuest,
  placeOf,
  untilCopying,
  untilRunsAgain,
} from './moved-guest.ts'
import { pollUntil } from './poll.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'
import { nodeViews, vmView } from './vm-view.ts'

const guestOf = (name: string, digit: number): MovedGuest => ({
  name,
  uuid: `aaaaaaaa-0000-4000-8000-00000000001${digit}`,
})

/** Leave together, the first by its priority before the others. */
const vital = guestOf('vital', 1)
const plain = guestOf('plain', 2)
/** May run on hv1 only. */
const bound = guestOf('bound', 3)
/** Off, until hv1 is ready the next time. */
const sleeper = guestOf('sleeper', 4)

const WAIT = { timeoutMs: 120_000 }
type Beats = ReadonlyMap<MovedGuest, Heartbeat>

async function beats(lab: Lab, guests: readonly MovedGuest[]): Promise<Beats> {
  const found = await Promise.all(guests.map(async (guest) => [guest, await lab.waitForHeartbeat(guest.name)] as const))
  return new Map(found)
}

/** Each guest is where it is by its record, in one place, and is the one that ran before. @returns where */
async function expectSame(lab: Lab, before: Beats): Promise<string> {
  const seen: string[] = []
  for (const [guest, heartbeat] of before) {
    const place = await placeOf(lab, guest)
    await expectOnlyAt(lab, guest, place, heartbeat)
    seen.push(`${guest.name} on ${place}`)
  }
  return seen.join(', ')
}

/** How many plans the host's pvcnoded has made so far. */
function plans(lab: Lab, host: string): number {
  return readFileSync(lab.host(host).log('pvcnoded'), 'utf8').split('"msg":"a new plan"').length - 1
}

async function untilDomainState(lab: Lab, node: string, state: string, timeoutMs = 90_000): Promise<void> {
  await pollUntil({ what: `${node} ${state}`, timeoutMs }, async () =>
    (await nodeViews(lab)).some(({ name, domain_state }) => name === node && domain_state === state),
  )
}

async function expectEmpty(lab: Lab, node: string): Promise<void> {
  const left = await domainsAt(lab, node)
  expectThat(left.length === 0, `${node} says it is flushed, and runs ${left.join(', ')}`)
}

const defined: StoryStep = {
  title: 'a node with guests: one before the others, one that may run nowhere else, one that is off with autostart',
  async run(lab) {
    await ensurePool(lab)
    await defineGuest(lab, vital, 'hv1', ['--priority', '90'])
    await defineGuest(lab, plain, 'hv1')
    await defineGuest(lab, sleeper, 'hv1', ['--autostart'])
    for (const { name } of [vital, plain]) await lab.pvc(['-q', 'vm', 'start', name])
    await beats(lab, [vital, plain])
    return `${vital.name} and ${plain.name} run on hv1, ${sleeper.name} is off`
  },
}

const dryRun: StoryStep = {
  title: '--dry-run says what would happen to each VM, and does nothing',
  async run(lab) {
    const { stdout } = await lab.pvc(['-q', 'node', 'flush', 'hv1', '--dry-run'])
    for (const { name } of [vital, plain])
      expectThat(
        new RegExp(`${name}\\s+move live\\s+hv[23]`).test(stdout),
        `the plan says nothing of ${name}: ${stdout}`,
      )
    const lines = stdout.trim().split('\n')
    const [first, second] = [vital, plain].map(({ name }) => lines.findIndex((line) => line.startsWith(name)))
    expectThat((first ?? 0) < (second ?? 0), 'the plan does not begin with the higher priority')
    const node = (await nodeViews(lab)).find(({ name }) => name === 'hv1')
    expectThat(node?.domain_state === 'ready', 'a dry run changed the node')
    return stdout.split('\n')[0] ?? ''
  },
}

const flushed: StoryStep = {
  title: 'flush empties it with every guest running',
  async run(lab) {
    const before = await beats(lab, [vital, plain])
    const startMs = performance.now()
    const { stderr, stdout } = await lab.pvc(['node', 'flush', 'hv1', '-w'], WAIT)
    const tookMs = performance.now() - startMs
    await expectEmpty(lab, 'hv1')
    for (const { name } of [vital, plain])
      expectThat(stderr.includes(`VM "${name}": moving live to`), `the command said nothing of ${name}: ${stderr}`)
    expectThat(stdout.includes('is empty'), `the command ended with: ${stdout}`)
    const seen = await expectSame(lab, before)
    const { stdout: why } = await lab.pvc(['-q', 'vm', 'why', plain.name])
    expectThat(why.includes('flush'), `vm why does not know of the flush: ${why}`)
    const refused = await lab.pvc(['-q', 'vm', 'migrate', plain.name, '-f', '-t', 'hv1'], { allowFailure: true })
    expectThat(refused.exitCode !== 0, 'a flushed node took a VM')
    return `${seconds(tookMs)}; ${seen}`
  },
}

const ready: StoryStep = {
  title: 'ready brings them home and starts what has autostart',
  async run(lab) {
    const before = await beats(lab, [vital, plain])
    const startMs = performance.now()
    await lab.pvc(['-q', 'node', 'ready', 'hv1', '-w'], WAIT)
    const tookMs = performance.now() - startMs
    const seen = await expectSame(lab, before)
    for (const guest of [vital, plain, sleeper])
      expectThat((await placeOf(lab, guest)) === 'hv1', `${guest.name} is not at home`)
    await lab.waitForHeartbeat(sleeper.name, { host: 'hv1' })
    expectThat((await vmView(lab, sleeper.name)).state === 'start', 'autostart did not start the VM')
    await lab.pvc(['-q', 'vm', 'remove', '-y', sleeper.name])
    return `${seconds(tookMs)}; ${seen}; ${sleeper.name} started`
  },
}

const nowhere: StoryStep = {
  title: 'a VM with nowhere to go is shut down, and comes back at ready',
  async run(lab) {
    await defineGuest(lab, bound, 'hv1', ['--limit', 'hv1'])
    await lab.pvc(['-q', 'vm', 'start', bound.name])
    const last = await lab.waitForHeartbeat(bound.name)
    const before = await beats(lab, [vital, plain])
    const { stderr } = await lab.pvc(['node', 'flush', 'hv1', '-w'], WAIT)
    await expectEmpty(lab, 'hv1')
    const said = stderr.split('\n').findLast((line) => line.includes(`"${bound.name}"`)) ?? ''
    expectThat(said.includes('shut down, starts again when the node is ready'), `of ${bound.name} was said: ${said}`)
    await lab.pvc(['-q', 'node', 'ready', 'hv1', '-w'], WAIT)
    const wanted = (each: Heartbeat) => each.boot !== last.boot && each.written
    const after = await lab.waitForHeartbeat(bound.name, { host: 'hv1', after: last, wanted })
    await expectSound(lab, bound)
    await expectSame(lab, before)
    await lab.pvc(['-q', 'vm', 'remove', '-y', bound.name])
    return `"${said}"; counter ${last.c} → ${after.c} over the restart`
  },
}

const slowed: StoryStep = {
  title: 'from here copies are slow, so that there is a middle of them',
  async run(lab) {
    for (const host of lab.hosts) {
      const file = join(host.dir, 'fs/etc/pvc/pvc.yaml')
      const config = parse(readFileSync(file, 'utf8')) as Record<string, unknown>
      writeFileSync(file, stringify({ ...config, migration: { bandwidthMiBps: 10 } }))
      const lives = comings(lab, host.name)
      await host.service('pvcnoded', 'restart')
      await untilRunsAgain(lab, host.name, lives)
    }
    return '10 MiB/s, set in the configuration'
  },
}

const queue: StoryStep = {
  title: 'of two flushes the second waits and says for whom; ready of both brings all home',
  async run(lab) {
    const other = guestOf('other', 5)
    await defineGuest(lab, other, 'hv2')
    await lab.pvc(['-q', 'vm', 'start', other.name])
    const before = await beats(lab, [vital, plain, other])
    await lab.pvc(['-q', 'node', 'flush', 'hv1'])
    await untilCopying(lab, vital, 'hv1')
    const { stderr } = await lab.pvc(['node', 'flush', 'hv2', '-w'], WAIT)
    const said = stderr.split('\n').find((line) => line.includes('waits for node')) ?? ''
    expectThat(said.includes('waits for node hv1'), `the second flush said: ${stderr}`)
    await untilDomainState(lab, 'hv1', 'flushed')
    await expectEmpty(lab, 'hv1')
    await expectEmpty(lab, 'hv2')
    const seen = await expectSame(lab, before)
    await lab.pvc(['-q', 'node', 'ready', 'hv2', '-w'], WAIT)
    await lab.pvc(['-q', 'node', 'ready', 'hv1', '-w'], WAIT)
    await expectSame(lab, before)
    expectThat((await placeOf(lab, other)) === 'hv2', `${other.name} is not at home`)
    return `"${said.trim()}"; ${seen}`
  },
}

const holderDies: StoryStep = {
  title: 'when the daemon whose turn it is dies, the next one goes on; back again, it ends its own flush',
  async run(lab) {
    const other = guestOf('other', 5)
    const before = await beats(lab, [vital, plain, other])
    const lives = comings(lab, 'hv1')
    await lab.pvc(['-q', 'node', 'flush', 'hv1'])
    await untilCopying(lab, vital, 'hv1')
    await lab.host('hv1').service('pvcnoded', 'stop')
    const startMs = performance.now()
    await lab.pvc(['-q', 'node', 'flush', 'hv2', '-w'], WAIT)
    const tookMs = performance.now() - startMs
    await expectEmpty(lab, 'hv2')
    await lab.host('hv1').service('pvcnoded', 'start')
    await untilRunsAgain(lab, 'hv1', lives)
    await untilDomainState(lab, 'hv1', 'flushed')
    await expectEmpty(lab, 'hv1')
    const seen = await expectSame(lab, before)
    for (const node of ['hv2', 'hv1']) await lab.pvc(['-q', 'node', 'ready', node, '-w'], WAIT)
    await expectSame(lab, before)
    await lab.pvc(['-q', 'vm', 'remove', '-y', other.name])
    return `hv2 was empty ${seconds(tookMs)} after its wish; ${seen}`
  },
}

const readyDuringFlush: StoryStep = {
  title: 'ready in the middle of a flush, and flush in the middle of that ready',
  async run(lab) {
    const before = await beats(lab, [vital, plain])
    await lab.pvc(['-q', 'node', 'flush', 'hv1'])
    await untilCopying(lab, vital, 'hv1')
    await lab.pvc(['-q', 'node', 'ready', 'hv1', '-w'], WAIT)
    const home = await expectSame(lab, before)
    expectThat(!/on hv[23]/.test(home), `after ready: ${home}`)
    await lab.pvc(['-q', 'node', 'flush', 'hv1', '-w'], WAIT)
    await lab.pvc(['-q', 'node', 'ready', 'hv1'])
    await untilCopying(lab, vital, await placeOf(lab, vital))
    await lab.pvc(['-q', 'node', 'flush', 'hv1', '-w'], WAIT)
    await expectEmpty(lab, 'hv1')
    const away = await expectSame(lab, before)
    await lab.pvc(['-q', 'node', 'ready', 'hv1', '-w'], WAIT)
    await expectSame(lab, before)
    return `ready won: ${home}; flush won: ${away}`
  },
}

const restarted: StoryStep = {
  title: 'kill -9 of pvcnoded in the middle of a flush: it goes on where it was',
  async run(lab) {
    const before = await beats(lab, [vital, plain])
    await lab.pvc(['-q', 'node', 'flush', 'hv1'])
    await untilCopying(lab, vital, 'hv1')
    const begun = plans(lab, 'hv1')
    await lab.host('hv1').service('pvcnoded', 'kill')
    await untilDomainState(lab, 'hv1', 'flushed')
    await expectEmpty(lab, 'hv1')
    expectThat(plans(lab, 'hv1') === begun, 'the flush was planned anew')
    const seen = await expectSame(lab, before)
    await lab.pvc(['-q', 'node', 'ready', 'hv1', '-w'], WAIT)
    return seen
  },
}

const targetDies: StoryStep = {
  title: 'power-cut of a target in the middle of a flush: its VM goes elsewhere',
  async run(lab) {
    // When both go to one target, the other has often arrived there when its power is cut, and is started anew.
    await lab.pvc(['-q', 'vm', 'stop', '-y', '-w', plain.name])
    const before = await beats(lab, [vital])
    await lab.pvc(['-q', 'node', 'flush', 'hv1'])
    await untilCopying(lab, vital, 'hv1')
    const target = (await vmView(lab, vital.name)).migration?.to ?? ''
    const lives = comings(lab, target)
    await lab.host(target).power('off')
    const startMs = performance.now()
    await untilDomainState(lab, 'hv1', 'flushed', 120_000)
    const tookMs = performance.now() - startMs
    await expectEmpty(lab, 'hv1')
    const seen = await expectSame(lab, before)
    expectThat(!seen.includes(`on ${target}`), `${target} is off, and yet: ${seen}`)
    await lab.host(target).power('on')
    await untilRunsAgain(lab, target, lives)
    await lab.pvc(['-q', 'node', 'ready', 'hv1', '-w'], WAIT)
    return `${target} was cut off; empty after ${seconds(tookMs)}; ${seen}`
  },
}

/** Flush and ready as the demo shows them. */
export const maintenanceStory: readonly StoryStep[] = [defined, dryRun, flushed, ready]

/** What they must survive; each step stands on the ones before. */
export const flushTroubles: readonly StoryStep[] = [
  ...maintenanceStory,
  nowhere,
  slowed,
  queue,
  holderDies,
  readyDuringFlush,
  restarted,
  targetDies,
]
