/**
 * The story of five servers: two of them die at once, and then the fencer itself dies at every step of a fence. Each time the
 * next primary goes on where the journal says.
 */
import { readFileSync } from 'node:fs'
import { powerActions } from './calm.ts'
import {
  bringBack,
  type Cut,
  type FenceView,
  fenceView,
  makeGuests,
  settleGuests,
  startsOf,
  takeCut,
  timeline,
  told,
  untilRecovered,
} from './failover.ts'
import type { Lab } from './lab.ts'
import { pollUntil } from './poll.ts'
import { coordinatorNames, makePrimary, settledPrimary } from './primary.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'

const victim = 'hv5'
/** A coordinator that dies together with the victim; the two others keep ZooKeeper's quorum. */
const second = 'hv3'
/** No coordinator: its daemon is never killed. */
const spare = 'hv4'
const guests = makeGuests('lost', '0c', 2)
const others = makeGuests('gone', '0d', 2)

const begin: StoryStep = {
  title: `two guests run at ${victim} and two at ${second}; the primary is ${coordinatorOne()}`,
  async run(lab) {
    await makePrimary(lab, coordinatorOne())
    await settleGuests(lab, guests, victim)
    await settleGuests(lab, others, second)
    return [...guests, ...others].map(({ name }) => name).join(', ')
  },
}

function coordinatorOne(): string {
  return 'hv1'
}

const twoAtOnce: StoryStep = {
  title: 'two servers of five lose their power at once: the guests of both run elsewhere',
  async run(lab) {
    const cut = takeCut(lab, [...guests, ...others])
    await Promise.all([victim, second].map((name) => lab.host(name).power('off')))
    const [one, other] = await Promise.all([
      untilRecovered(lab, guests, victim, cut),
      untilRecovered(lab, others, second, cut),
    ])
    return `${victim}: ${told(one)}; ${second}: ${told(other)}`
  },
}

const bothBack: StoryStep = {
  title: 'both come back',
  async run(lab) {
    const startMs = performance.now()
    await Promise.all([victim, second].map((name) => lab.host(name).power('on')))
    await bringBack(lab, victim, guests)
    await bringBack(lab, second, others)
    return `home after ${seconds(performance.now() - startMs)}`
  },
}

/** States of the journal at whose writing the fencer is killed, one after the other, in one fence. */
const STEPS = ['closed -> open', 'open -> evidence', 'evidence -> recovered'] as const
/** The last of them: its proof is over, and the node may start guests again. */
const CLOSING = 'recovered -> closed'

/** Whoever writes that the journal has reached the state is killed at once. @returns its name */
async function killWhoReaches(lab: Lab, step: string, seen: ReadonlyMap<string, number>): Promise<string> {
  const words = `"node":"${victim}"`
  const count = (name: string) =>
    readFileSync(lab.host(name).log('pvcnoded'), 'utf8')
      .split('\n')
      .filter((line) => line.includes(`fence journal ${step}`) && line.includes(words)).length
  const name = await pollUntil(
    { what: `fence journal of ${victim} ${step}`, timeoutMs: 90_000, intervalMs: 10 },
    async () => coordinatorNames(lab).find((each) => count(each) > (seen.get(`${each} ${step}`) ?? 0)),
  )
  await lab.host(name).service('pvcnoded', 'kill')
  return name
}

function linesSoFar(lab: Lab): ReadonlyMap<string, number> {
  const words = `"node":"${victim}"`
  const entries = coordinatorNames(lab).flatMap((name) => {
    const lines = readFileSync(lab.host(name).log('pvcnoded'), 'utf8').split('\n')
    return [...STEPS, CLOSING].map((step): [string, number] => [
      `${name} ${step}`,
      lines.filter((line) => line.includes(`fence journal ${step}`) && line.includes(words)).length,
    ])
  })
  return new Map(entries)
}

/** By the API of a coordinator whose daemon was not killed. */
async function stateAfter(lab: Lab, killed: string): Promise<FenceView> {
  const via = coordinatorNames(lab).find((name) => name !== killed)
  return fenceView(lab, victim, via)
}

/** The fence is over, and each thing of it was done once, although its fencer died again and again. */
function expectDoneOnce(fence: FenceView, seq: number): void {
  expectThat(fence.seq === seq && fence.state === 'closed', `the fence is ${fence.state}, number ${fence.seq}`)
  const times = (words: RegExp) => fence.events.filter(({ text }) => words.test(text)).length
  for (const words of [/^journal \d+ opened/, /its life is over/, /let back in/])
    expectThat(times(words) === 1, `${words} is told ${times(words)} times:\n${timeline(fence)}`)
  // Its self-fence may have been proof enough before its power was off: then nobody switches it on.
  expectThat(times(/switching it on/) <= 1, `it was switched on more than once:\n${timeline(fence)}`)
}

/** By hand, should nobody have done it. */
async function switchOn(lab: Lab): Promise<void> {
  if (!(await lab.host(victim).isOn())) await lab.host(victim).power('on')
}

type Closer = { readonly name: string; readonly power: readonly string[] }

/** Kills whoever closes the fence. @returns who it was, and what had been done to the power of the node until then */
async function killCloser(lab: Lab, seen: ReadonlyMap<string, number>): Promise<Closer> {
  const name = await killWhoReaches(lab, CLOSING, seen)
  return { name, power: powerActions(lab, victim) }
}

/** The next primary finds the fence closed, and does nothing more to the node or to its guests. */
async function expectNothingMore(lab: Lab, closer: Closer, cut: Cut, seq: number): Promise<void> {
  expectDoneOnce(await stateAfter(lab, closer.name), seq)
  await settledPrimary(lab)
  for (const { name } of guests) {
    const starts = startsOf(lab, name).filter(({ atMs }) => atMs >= cut.wallMs)
    expectThat(starts.length === 1, `${name} was started at ${starts.map(({ host }) => host).join(', ')}`)
  }
  await bringBack(lab, victim, guests)
  expectDoneOnce(await fenceView(lab, victim), seq)
  const power = powerActions(lab, victim)
  expectThat(power.join() === closer.power.join(), `its power was switched after the fence: ${power.join(', ')}`)
}

const fencerDies: StoryStep = {
  title:
    'the fencer is killed as the journal is opened, as the life is proven over, as all is recovered, and as it is closed: the next one goes on',
  async run(lab) {
    await settledPrimary(lab)
    // A fencer whose daemon is slow to come back is fenced itself, on a busy machine: not with these guests on it.
    for (const { name } of guests) await lab.pvc(['-q', 'vm', 'meta', name, '-l', `${victim},${spare}`])
    const seen = linesSoFar(lab)
    const { seq } = await fenceView(lab, victim)
    const cut = takeCut(lab, guests)
    await lab.host(victim).power('off')
    const said: string[] = []
    for (const step of STEPS) {
      const killed = await killWhoReaches(lab, step, seen)
      const fence = await stateAfter(lab, killed)
      expectThat(fence.seq === seq + 1, `fence ${fence.seq} is another one than ${seq + 1}`)
      said.push(`${killed} at "${step}" (then ${fence.state})`)
    }
    const closing = killCloser(lab, seen)
    const recovered = untilRecovered(lab, guests, victim, cut)
    const [failover, closer] = await Promise.all([recovered, closing, recovered.then(() => switchOn(lab))])
    await expectNothingMore(lab, closer, cut, seq + 1)
    return `killed ${said.join(', ')}, ${closer.name} at "${CLOSING}"; ${told(failover)}\n${timeline(await fenceView(lab, victim))}`
  },
}

/** The steps, each on what the ones before left. */
export const fencerStory: readonly StoryStep[] = [begin, twoAtOnce, bothBack, fencerDies]
