/** The story of moving: a guest changes places live, and stays one guest whatever happens to the move. */

import { startBlackoutMeter } from './blackout.ts'
import { bringBack, takeCut, told, untilRecovered } from './failover.ts'
import type { Lab } from './lab.ts'
import {
  comings,
  defineGuest,
  ensurePool,
  expectOnlyAt,
  hostsOf,
  type MovedGuest,
  placeOf,
  untilCopying,
  untilPlaceFor,
  untilRunsAgain,
} from './moved-guest.ts'
import { pollUntil } from './poll.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'
import { nodeViews, untilVm, vmView } from './vm-view.ts'

const guest: MovedGuest = { name: 'roamer', uuid: 'aaaaaaaa-0000-4000-8000-000000000003' }
const vm = guest.name
/** So slow that a copy of this guest lasts for tens of seconds. */
const slow = ['--bandwidth', '1']
/** So slow that a copy lasts for some seconds. */
const unhurried = ['--bandwidth', '8']

/** What carries a copy: libvirt's connection and QEMU's. */
const COPY_PORTS = '{ 16509, 49152-49215 }'

function otherOf(source: string): string {
  return source === 'hv1' ? 'hv2' : 'hv1'
}

async function untilAt(lab: Lab, node: string, timeoutMs = 60_000): Promise<void> {
  await pollUntil({ what: `${vm} at ${node}`, timeoutMs }, async () => {
    const view = await vmView(lab, vm)
    return view.node === node && view.state === 'start'
  })
}

const defined: StoryStep = {
  title: 'a guest to be moved runs on the first host',
  async run(lab) {
    await ensurePool(lab)
    await defineGuest(lab, guest, 'hv1')
    await lab.pvc(['-q', 'vm', 'start', vm])
    const heartbeat = await lab.waitForHeartbeat(vm, { wanted: (each) => each.written && each.ip !== undefined })
    return `at hv1, address ${heartbeat.ip}`
  },
}

const live: StoryStep = {
  title: 'it is migrated live: no heartbeat is lost, and the blackout is short',
  async run(lab) {
    const before = await lab.waitForHeartbeat(vm)
    // No more often than it tells something: see what emulation does to guests in the README.
    const meter = startBlackoutMeter(lab, before.ip ?? '', 50)
    const startMs = performance.now()
    await lab.pvc(['-q', 'vm', 'migrate', vm, '-t', 'hv2', '-w'])
    const tookMs = performance.now() - startMs
    const seen = await expectOnlyAt(lab, guest, 'hv2', before)
    const blackoutMs = await meter.end()
    expectThat(blackoutMs < 10_000, `the guest was silent for ${seconds(blackoutMs)}`)
    return `hv1 → hv2 in ${seconds(tookMs)}, silent for ${Math.round(blackoutMs)} ms; ${seen}`
  },
}

const home: StoryStep = {
  title: 'unmigrate brings it home',
  async run(lab) {
    const before = await lab.waitForHeartbeat(vm)
    await lab.pvc(['-q', 'vm', 'unmigrate', vm, '-w'])
    return expectOnlyAt(lab, guest, 'hv1', before)
  },
}

const cancel: StoryStep = {
  title: 'a move is called off: the guest goes on where it was',
  async run(lab) {
    const before = await lab.waitForHeartbeat(vm)
    await lab.pvc(['-q', 'vm', 'migrate', vm, '-t', 'hv2', ...slow])
    await untilCopying(lab, guest, 'hv1')
    const shown = await pollUntil({ what: 'figures of the copy', timeoutMs: 10_000 }, async () => {
      const { stdout } = await lab.pvc(['-q', 'vm', 'info', vm])
      return /(\d+) % copied, .*/.exec(stdout)?.[0]
    })
    await lab.pvc(['-q', 'vm', 'migrate', vm, '--cancel'])
    await untilVm(lab, vm, 'start', 20_000)
    return `${await expectOnlyAt(lab, guest, 'hv1', before)}; info had said: ${shown}`
  },
}

const twoAtOnce: StoryStep = {
  title: 'two moves at once: one is carried out, the other hears of it; force supersedes',
  async run(lab) {
    const before = await lab.waitForHeartbeat(vm)
    const ask = (target: string) => lab.pvc(['-q', 'vm', 'move', vm, '-t', target, ...slow], { allowFailure: true })
    const answers = await Promise.all([ask('hv2'), ask('hv3')])
    const refused = answers.filter(({ exitCode }) => exitCode !== 0)
    expectThat(refused.length === 1, `of two moves at once ${2 - refused.length} were accepted`)
    const why = refused[0]?.stderr.trim() ?? ''
    expectThat(why.includes('on its way to'), `the second move was told: ${why}`)
    const target = answers[0]?.exitCode === 0 ? 'hv2' : 'hv3'
    const other = target === 'hv2' ? 'hv3' : 'hv2'
    await untilCopying(lab, guest, 'hv1')
    await lab.pvc(['-q', 'vm', 'move', vm, '-t', other, '--force', '-w'])
    const seen = await expectOnlyAt(lab, guest, other, before)
    await lab.pvc(['-q', 'vm', 'move', vm, '-t', 'hv1', '-w'])
    return `first to ${target}, superseded to ${other}; ${seen}; the loser was told: ${why}`
  },
}

function daemonKilled(which: 'source' | 'target'): StoryStep {
  return {
    title: `kill -9 of the ${which}’s pvcnoded in the middle of the copy`,
    async run(lab) {
      const source = await placeOf(lab, guest)
      const target = otherOf(source)
      const before = await lab.waitForHeartbeat(vm)
      await untilPlaceFor(lab, guest, target)
      await lab.pvc(['-q', 'vm', 'move', vm, '-t', target, ...unhurried])
      await untilCopying(lab, guest, source)
      await lab.host(which === 'source' ? source : target).service('pvcnoded', 'kill')
      await untilAt(lab, target)
      return `${source} → ${target}; ${await expectOnlyAt(lab, guest, target, before)}`
    },
  }
}

/** When the daemons die, in ms after the order: while the target makes ready, copies, and is handed over. */
const DEATHS_MS = [0, 100, 250, 400, 550, 700, 850, 1000, 1200]

const killedAnyTime: StoryStep = {
  title: 'kill -9 of both pvcnoded at any moment of a move',
  async run(lab) {
    const before = await lab.waitForHeartbeat(vm)
    const ends: string[] = []
    for (const afterMs of DEATHS_MS) {
      const source = await placeOf(lab, guest)
      const target = otherOf(source)
      const lives = [comings(lab, source), comings(lab, target)] as const
      await untilPlaceFor(lab, guest, target)
      await lab.pvc(['-q', 'vm', 'move', vm, '-t', target])
      const orderedMs = performance.now()
      await pollUntil({ what: 'the moment', timeoutMs: 5000, intervalMs: 10 }, async () => {
        return performance.now() - orderedMs >= afterMs
      })
      await Promise.all([source, target].map((host) => lab.host(host).service('pvcnoded', 'kill')))
      await untilRunsAgain(lab, source, lives[0])
      await untilRunsAgain(lab, target, lives[1])
      // It may have been too late for the target to be a place to go to: then it stays, and says why.
      await untilVm(lab, vm, 'start', 60_000)
      const { node } = await vmView(lab, vm)
      await expectOnlyAt(lab, guest, node, await lab.waitForHeartbeat(vm))
      ends.push(`${afterMs} ms ${node === target ? 'moved' : 'stayed'}`)
      if (node === source) await lab.pvc(['-q', 'vm', 'migrate', vm, '--cancel'], { allowFailure: true })
    }
    return `${ends.join(', ')}; ${await expectOnlyAt(lab, guest, await placeOf(lab, guest), before)}`
  },
}

const copyCut: StoryStep = {
  title: 'the network of the copy is cut in the middle: the guest stays, and moves when it is back',
  async run(lab) {
    const source = await placeOf(lab, guest)
    const target = otherOf(source)
    const before = await lab.waitForHeartbeat(vm)
    await untilPlaceFor(lab, guest, target)
    await lab.pvc(['-q', 'vm', 'move', vm, '-t', target, '--force-live', ...slow])
    await untilCopying(lab, guest, source)
    const rules = [
      'add table inet cut',
      'add chain inet cut in { type filter hook input priority 0; }',
      `add rule inet cut in tcp dport ${COPY_PORTS} drop`,
      `add rule inet cut in tcp sport ${COPY_PORTS} drop`,
    ].join('\n')
    await lab.host(target).sh(['nft', rules])
    const cutMs = performance.now()
    await untilVm(lab, vm, 'start', 90_000)
    const gaveUpMs = performance.now() - cutMs
    const seen = await expectOnlyAt(lab, guest, source, before)
    await lab.host(target).sh(['nft', 'delete table inet cut'])
    const { move_failed_reason: why } = await vmView(lab, vm)
    await lab.pvc(['-q', 'vm', 'move', vm, '-t', target, '-w'], { timeoutMs: 60_000 })
    await expectOnlyAt(lab, guest, target, before)
    return `given up after ${seconds(gaveUpMs)}, then moved; ${seen} (${why})`
  },
}

const targetCut: StoryStep = {
  title: 'power-cut of the target in the middle of the copy: the guest stays at the source',
  async run(lab) {
    const source = await placeOf(lab, guest)
    const before = await lab.waitForHeartbeat(vm)
    await lab.pvc(['-q', 'vm', 'migrate', vm, '-t', 'hv3', '--force-live', ...slow])
    await untilCopying(lab, guest, source)
    const lives = comings(lab, 'hv3')
    await lab.host('hv3').power('off')
    await untilVm(lab, vm, 'start', 60_000)
    const seen = await expectOnlyAt(lab, guest, source, before)
    await lab.host('hv3').power('on')
    await untilRunsAgain(lab, 'hv3', lives)
    return `stayed at ${source}; ${seen}`
  },
}

const sourceCut: StoryStep = {
  title: 'power-cut of the source after the hand-over: the guest runs on at the target',
  async run(lab) {
    const source = await placeOf(lab, guest)
    const target = otherOf(source)
    const before = await lab.waitForHeartbeat(vm)
    await untilPlaceFor(lab, guest, target)
    await lab.pvc(['-q', 'vm', 'move', vm, '-t', target, '-w'])
    const lives = comings(lab, source)
    await lab.host(source).power('off')
    const seen = await expectOnlyAt(lab, guest, target, before)
    await lab.host(source).power('on')
    await untilRunsAgain(lab, source, lives)
    return `${source} was cut off, ${seen}`
  },
}

async function untilAllRun(lab: Lab): Promise<void> {
  await pollUntil({ what: 'every node in daemon state run', timeoutMs: 60_000 }, async () =>
    (await nodeViews(lab)).every((node) => node.daemon_state === 'run'),
  )
}

const sourceCutInCopy: StoryStep = {
  title: 'power-cut of the source in the middle of the copy: the copy never runs, the guest is started anew',
  async run(lab) {
    await untilAllRun(lab)
    const source = await placeOf(lab, guest)
    await untilPlaceFor(lab, guest, otherOf(source))
    await lab.pvc(['-q', 'vm', 'migrate', vm, '-t', otherOf(source), '--force-live', ...slow])
    await untilCopying(lab, guest, source)
    const cut = takeCut(lab, [guest])
    await lab.host(source).power('off')
    const failover = await untilRecovered(lab, [guest], source, cut)
    await expectOnlyAt(lab, guest, await placeOf(lab, guest), undefined)
    await bringBack(lab, source, [guest])
    return `${told(failover)}; home again`
  },
}

const removed: StoryStep = {
  title: 'a VM removed in the middle of a move leaves nothing anywhere',
  async run(lab) {
    const source = await placeOf(lab, guest)
    await untilAllRun(lab)
    await untilPlaceFor(lab, guest, otherOf(source))
    await lab.pvc(['-q', 'vm', 'move', vm, '-t', otherOf(source), ...slow])
    await untilCopying(lab, guest, source)
    const startMs = performance.now()
    await lab.pvc(['-q', 'vm', 'remove', '-y', vm], { timeoutMs: 90_000 })
    const tookMs = performance.now() - startMs
    await pollUntil({ what: 'no domain anywhere', timeoutMs: 20_000 }, async () => {
      return (await hostsOf(lab, guest)).length === 0
    })
    const { stdout } = await lab.rbd(['ls', 'vms'])
    expectThat(!stdout.includes(vm), 'the volume is still there')
    return `no domain and no volume is left, ${seconds(tookMs)}`
  },
}

/** A live migration and back, as the demo shows it. */
export const movingStory: readonly StoryStep[] = [defined, live, home]

/** What a move must survive; each step stands on the ones before. */
export const movingTroubles: readonly StoryStep[] = [
  ...movingStory,
  cancel,
  twoAtOnce,
  daemonKilled('source'),
  daemonKilled('target'),
  killedAnyTime,
  copyCut,
  targetCut,
  sourceCut,
  sourceCutInCopy,
  removed,
]
