import { sleep } from '../base/clock.ts'
import type { FlushStep, NodeFlush } from '../contract/node-flush.ts'
import { isPassingFailure } from './answer.ts'
import type { ApiClient } from './client.ts'
import { CommandFailure } from './failure.ts'
import { formatStage, formatStep } from './output/flush-view.ts'
import { formatElapsed } from './output/quantity.ts'
import { ProgressBlock } from './progress.ts'
import type { Session } from './session.ts'

/** A small node is done in seconds: the end of that is seen soon, and a long one is not asked for all the time. */
const PAUSE_SHARE = 0.05
const FASTEST_LOOK_MS = 50
const SLOWEST_LOOK_MS = 1000

/** What a node was asked. */
export type NodeGoal = {
  readonly node: string
  readonly kind: 'flush' | 'ready'
  /** Number of the wish. */
  readonly wish: number
}

type Verdict = { readonly is: 'under-way' | 'reached' } | { readonly is: 'failed'; readonly why: string }

/** How far a node is. */
export function judgeNode(flush: NodeFlush, goal: NodeGoal): Verdict {
  // Another API of the cluster may answer, and not know of the wish yet.
  if (flush.wish < goal.wish) return { is: 'under-way' }
  if (flush.wish > goal.wish) return { is: 'failed', why: 'was asked for something else meanwhile.' }
  if (!flush.current) return { is: 'under-way' }
  // The node's own state comes with its heartbeat, a moment later than the end of its plan.
  const isEmpty = goal.kind === 'flush' && flush.domain_state === 'flushed'
  if (isEmpty || flush.ended_at !== null) return { is: 'reached' }
  const failed = flush.steps.filter(({ state }) => state === 'failed')
  const isStuck = failed.length > 0 && flush.steps.every(({ state }) => state !== 'moving' && state !== 'waiting')
  if (goal.kind === 'ready' || !isStuck) return { is: 'under-way' }
  const names = failed.map(({ name, reason }) => `VM "${name}" stays: ${reason}`).join('; ')
  return { is: 'failed', why: `is not empty, and tries again in a while: ${names}.` }
}

/** Tells a person how it goes: in place on a terminal, elsewhere a line for each change. */
class Report {
  readonly #session: Session
  readonly #goal: NodeGoal
  readonly #block: ProgressBlock
  readonly #said = new Map<string, string>()

  constructor(session: Session, goal: NodeGoal) {
    this.#session = session
    this.#goal = goal
    this.#block = new ProgressBlock(session)
  }

  update(flush: NodeFlush, elapsedMs: number): void {
    const { kind, node } = this.#goal
    const title = `${kind === 'flush' ? 'Emptying' : 'Restoring'} node "${node}"`
    const isOurs = flush.current && flush.wish === this.#goal.wish
    const steps = isOurs ? flush.steps : []
    const stage = formatStage(isOurs ? flush : { ...flush, current: false })
    if (this.#session.host.stderr.isTty) {
      const width = Math.max(0, ...steps.map(({ name }) => name.length))
      const lines = [...steps].sort(byInterest).map((step) => `  ${step.name.padEnd(width)}  ${formatStep(step, true)}`)
      this.#block.update([`${title}: ${stage} (${formatElapsed(elapsedMs)})`, ...lines])
      return
    }
    for (const { name, ...step } of steps) this.#say(`VM "${name}"`, formatStep({ name, ...step }, false))
    const waits = isOurs && flush.waits_for !== '' ? `waits for node ${flush.waits_for}` : ''
    if (waits !== '' || flush.problem !== '' || !isOurs) this.#say(title, waits || flush.problem || stage)
  }

  /** The node is what was asked; some VMs may not be. */
  end(flush: NodeFlush): void {
    this.clear()
    for (const step of flush.steps) {
      if (step.state === 'failed' || step.state === 'stopped') this.#say(`VM "${step.name}"`, formatStep(step, false))
    }
  }

  clear(): void {
    this.#block.clear()
  }

  #say(subject: string, text: string): void {
    if (this.#said.get(subject) === text) return
    this.#said.set(subject, text)
    this.#session.note(`${subject}: ${text}`)
  }
}

const INTEREST: readonly string[] = ['moving', 'failed', 'waiting', 'stopped', 'done']

/** What moves or is in trouble first, what is over last. */
function byInterest(a: FlushStep, b: FlushStep): number {
  return INTEREST.indexOf(a.state) - INTEREST.indexOf(b.state)
}

/**
 * Follows a node until it is what was asked. The node goes on by itself, whatever happens to this program.
 * @throws CommandFailure when VMs cannot leave, something else was asked, `timeoutMs` passed or Ctrl-C was pressed
 */
export async function waitForNode(session: Session, api: ApiClient, goal: NodeGoal, timeoutMs: number): Promise<void> {
  const { clock } = session.host
  const interruption = new AbortController()
  const stopListening = session.host.onInterrupt(() => interruption.abort())
  const report = new Report(session, goal)
  const startMs = clock.nowMs()
  const elapsedMs = () => clock.nowMs() - startMs
  const goesOn = `The node goes on with it; follow it with "pvc node ${goal.kind} ${goal.node} -w".`
  try {
    for (;;) {
      const flush = await lookAtNode(api, goal.node)
      if (flush !== undefined) {
        const verdict = judgeNode(flush, goal)
        if (verdict.is === 'failed') throw new CommandFailure(`Node "${goal.node}" ${verdict.why}`)
        if (verdict.is === 'reached') return report.end(flush)
        report.update(flush, elapsedMs())
      }
      if (interruption.signal.aborted) throw new CommandFailure(goesOn)
      const leftMs = timeoutMs - elapsedMs()
      if (leftMs <= 0) throw new CommandFailure(`This was not finished within ${formatElapsed(timeoutMs)}. ${goesOn}`)
      const pauseMs = Math.min(Math.max(elapsedMs() * PAUSE_SHARE, FASTEST_LOOK_MS), SLOWEST_LOOK_MS, leftMs)
      await sleep(clock, pauseMs, interruption.signal)
      if (interruption.signal.aborted) throw new CommandFailure(goesOn)
    }
  } finally {
    report.clear()
    stopListening()
  }
}

/** @returns undefined while the API is away: it may be moving, and the node does not depend on it */
async function lookAtNode(api: ApiClient, node: string): Promise<NodeFlush | undefined> {
  try {
    return await api.call('nodeFlush', { node })
  } catch (error) {
    if (isPassingFailure(error)) return undefined
    throw error
  }
}
