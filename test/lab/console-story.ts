/** The story of a console: whoever follows it sees every line once, whatever happens to the guest, its node and the API. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { endFollowers, expectEachOnce, FOLLOWERS, startFollowers, untilFollowed } from './console-follower.ts'
import { ENDED, tail, typeOnConsole, untilShown } from './console-typing.ts'
import { bringBack, takeCut, untilRecovered } from './failover.ts'
import { parseHeartbeats } from './guest-record.ts'
import type { Lab } from './lab.ts'
import { defineGuest, ensurePool, type MovedGuest } from './moved-guest.ts'
import { pollUntil } from './poll.ts'
import { makePrimary, measureCrash, settledPrimary } from './primary.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'
import { nodeViews, vmView } from './vm-view.ts'

const guest: MovedGuest = { name: 'talker', uuid: 'aaaaaaaa-0000-4000-8000-000000000041' }
const { name: vm } = guest
const home = 'hv2'

const begin: StoryStep = {
  title: 'a guest prints, and two follow its console: at the coordinators, and at the floating address',
  async run(lab) {
    await ensurePool(lab)
    await makePrimary(lab, 'hv1')
    await defineGuest(lab, guest, home)
    startFollowers(lab, vm)
    await lab.pvc(['-q', 'vm', 'start', vm])
    return untilFollowed(lab, 5)
  },
}

const typed: StoryStep = {
  title: 'somebody types on the console; Ctrl-] ends it, and so does a signal',
  async run(lab) {
    // The session is open when the heartbeat shows; the guest answers a moment later.
    const keys = (seen: string) =>
      [
        untilShown(seen, 'HB boot'),
        "printf 'ask who is there\\r'",
        untilShown(seen, 'ANSWER who is there'),
        "printf '\\035'",
        untilShown(seen, ENDED),
      ].join('; ')
    const asked = await typeOnConsole(lab, { vm, name: 'asked.txt', keys })
    expectThat(asked.includes('ANSWER who is there'), `the guest did not answer: ${tail(asked)}`)
    expectThat(/Left the console\.\s+ended with 0\s/.test(asked), `the session did not end: ${tail(asked)}`)
    const log = await lab.pvc(['-q', 'vm', 'log', vm, '-l', '200'])
    expectThat(log.stdout.includes('ANSWER who is there'), 'the log of the console lacks the answer')
    const wait = (seen: string) => untilShown(seen, ENDED)
    const wrapper = 'timeout --foreground 10'
    const killed = await typeOnConsole(lab, { vm, name: 'killed.txt', keys: wait, wrapper })
    expectThat(killed.includes('HB boot'), `the console did not open: ${tail(killed)}`)
    expectThat(killed.includes('ended with 124'), `the signal did not end it: ${tail(killed)}`)
    return `asked and answered; ${await untilFollowed(lab, 2)}`
  },
}

/** Migrates away while somebody has the console open. @returns what he was told */
async function migrateAway(lab: Lab, target: string): Promise<string> {
  const keys = (seen: string) => untilShown(seen, ENDED)
  const open = typeOnConsole(lab, { vm, name: 'left.txt', keys })
  await pollUntil({ what: 'the console is open', timeoutMs: 60_000 }, async () =>
    readFileSync(join(lab.dir, 'shared', 'left.txt'), 'utf8').includes('HB boot'),
  )
  await lab.pvc(['-q', 'vm', 'migrate', vm, '-t', target, '-w'])
  const text = await open
  const told = /The console ended: .*\./.exec(text)?.[0]
  expectThat(told !== undefined && text.includes('ended with 0'), `it did not end with the move: ${tail(text)}`)
  return told
}

const migrated: StoryStep = {
  title: 'it is migrated live: no line is missing or there twice; an open console ends',
  async run(lab) {
    const told = await migrateAway(lab, 'hv3')
    const away = await untilFollowed(lab, 3)
    await lab.pvc(['-q', 'vm', 'unmigrate', vm, '-w'])
    return `"${told}" ${away}; and home again: ${await untilFollowed(lab, 3)}`
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
    const first = await untilFollowed(lab, 3, { who: ['coordinators'] })
    await lab.host('hv1').service('pvcapid', 'start')
    await lab.host('hv2').service('pvcapid', 'kill')
    await lab.host('hv3').service('pvcapid', 'kill')
    return `${first}; ${await untilFollowed(lab, 3)}`
  },
}

const primaryMoves: StoryStep = {
  title: 'another coordinator is made primary, and then the first one again',
  async run(lab) {
    const from = await settledPrimary(lab)
    const seen: string[] = []
    for (const to of ['hv3', from]) {
      await lab.pvc(['-q', 'node', 'primary', to, '--wait'], { timeoutMs: 30_000 })
      seen.push(`${to} is primary: ${await untilFollowed(lab, 3)}`)
    }
    return seen.join('; ')
  },
}

const primaryDies: StoryStep = {
  title: 'the primary loses its power',
  async run(lab) {
    await makePrimary(lab, 'hv1')
    const { apiMs, next } = await measureCrash(lab, 'hv1')
    const seen = await untilFollowed(lab, 3)
    const isInState = (state: string) => async () =>
      (await nodeViews(lab)).some((node) => node.name === 'hv1' && node.daemon_state === state)
    // Until then the fencer may still switch its power off.
    await pollUntil({ what: 'hv1 fenced', timeoutMs: 90_000 }, isInState('fenced'))
    if (!(await lab.host('hv1').isOn())) await lab.host('hv1').power('on')
    await pollUntil({ what: 'hv1 in service', timeoutMs: 90_000 }, isInState('run'))
    await settledPrimary(lab)
    return `${next} is primary after ${seconds(apiMs)}: ${seen}; with hv1 back: ${await untilFollowed(lab, 2)}`
  },
}

const powerCut: StoryStep = {
  title: 'the node loses its power: the followers go on with the boot of the guest elsewhere',
  async run(lab) {
    const before = (await vmView(lab, vm)).node
    await makePrimary(lab, before === 'hv1' ? 'hv3' : 'hv1')
    const cut = takeCut(lab, [guest])
    await lab.host(before).power('off')
    const { firstStartMs } = await untilRecovered(lab, [guest], before, cut)
    const { node } = await vmView(lab, vm)
    expectThat(node !== before, `it is at ${node} still`)
    const elsewhere = await untilFollowed(lab, 3)
    const { stdout } = await lab.pvc(['-q', 'vm', 'log', vm, '-l', '1000'])
    expectThat(stdout.includes(`[${before} stopped without notice`), 'no line says that text may be missing')
    await bringBack(lab, before, [guest])
    const after = seconds(firstStartMs)
    return `runs at ${node} after ${after}: ${elsewhere}; home again: ${await untilFollowed(lab, 3)}`
  },
}

const end: StoryStep = {
  title: 'Ctrl-C ends the followers, and the text they saw is the text that is kept',
  async run(lab) {
    await endFollowers(lab)
    const { stdout } = await lab.pvc(['-q', 'vm', 'log', vm, '-l', '10000'])
    const counts = FOLLOWERS.map((who) => {
      const { seen } = expectEachOnce(lab, who)
      const kept = parseHeartbeats(stdout).slice(0, seen.length)
      expectThat(kept.length === seen.length, `${kept.length} heartbeats are kept, ${seen.length} were seen by ${who}`)
      return seen.length
    })
    const log = await lab.pvc(['-q', 'node', 'log', 'hv2', '-l', '5'])
    expectThat(log.stdout.split('\n').length === 6, `pvc node log printed ${log.stdout}`)
    return `${counts.join(' and ')} heartbeats`
  },
}

export const consoleStory: readonly StoryStep[] = [
  begin,
  typed,
  migrated,
  daemonKilled,
  apiGone,
  primaryMoves,
  primaryDies,
  powerCut,
  end,
]
