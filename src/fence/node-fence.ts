import { Reconciler } from '../base/reconciler.ts'
import { errorChain, hasCode } from '../model/errors.ts'
import type { FenceJournal } from '../model/fence.ts'
import type { NodeName } from '../model/ids.ts'
import type { Reign } from '../ports/primary.ts'
import { applyFenceAction } from './apply.ts'
import type { ClusterView } from './cluster.ts'
import { decideFence } from './decide.ts'
import type { FencerDeps } from './deps.ts'
import { JournalWriter } from './journal-writer.ts'
import { type Observed, observeNode } from './observe.ts'
import { Opening } from './opening.ts'
import { probeNode } from './proof/probe.ts'
import {
  type FenceDecision,
  type FenceMemory,
  type FenceProblem,
  NOTHING_REMEMBERED,
  type ProbeVerdict,
} from './view.ts'

const RESCAN_MS = 30_000
const RETRY_MS = 1000
const MAX_STEPS = 10
const PROBE_VALID_MS = 5000

/** The loop of one node's journal in one reign. */
export class NodeFence {
  readonly #deps: FencerDeps
  readonly #reign: Reign
  readonly #cluster: ClusterView
  readonly #node: NodeName
  readonly #loop: Reconciler
  readonly #writer: JournalWriter
  #memory: FenceMemory = NOTHING_REMEMBERED
  #opening: Opening | undefined
  #probe: { readonly verdict: ProbeVerdict; readonly atMs: number } | undefined
  #probing: Promise<void> | undefined
  #problems: readonly string[] = []
  #isHeld = false

  constructor(deps: FencerDeps, reign: Reign, cluster: ClusterView, node: NodeName) {
    this.#deps = deps
    this.#reign = reign
    this.#cluster = cluster
    this.#node = node
    this.#writer = new JournalWriter(deps, reign, node)
    this.#loop = new Reconciler({
      clock: deps.clock,
      pass: () => this.#pass(),
      rescanMs: RESCAN_MS,
      retryMs: RETRY_MS,
      onError: (error) => {
        const isExpected = hasCode(error, 'PVC_STORE_SESSION_LOST', 'PVC_STORE_UNAVAILABLE')
        deps.log[isExpected ? 'info' : 'warn'](
          { node, error: errorChain(error) },
          'looking at a node failed, trying again',
        )
      },
    })
  }

  trigger(): void {
    this.#loop.trigger()
  }

  /** Nothing of it is in flight afterwards. */
  async stop(): Promise<void> {
    const stopping = this.#loop.stop()
    await this.#opening?.stop()
    await Promise.all([stopping, this.#probing])
    this.#show([])
  }

  async #pass(): Promise<{ readonly wakeInMs?: number }> {
    for (let steps = 0; steps < MAX_STEPS; steps += 1) {
      if (this.#reign.ended.aborted) return {}
      const { decision, observed } = await this.#look()
      if (decision === undefined || observed === undefined) return {}
      const isFurther = await this.#act(observed, decision)
      if (!isFurther) return { wakeInMs: decision.wakeInMs }
    }
    return { wakeInMs: RETRY_MS }
  }

  async #look(): Promise<{ readonly observed?: Observed; readonly decision?: FenceDecision }> {
    const observed = await observeNode({
      deps: this.#deps,
      reign: this.#reign,
      cluster: this.#cluster,
      node: this.#node,
      memory: this.#memory,
      opening: (journal) => this.#openingOf(journal),
      probe: this.#validProbe(),
    })
    // A newer primary has been here: this reign is over, whether or not it has noticed.
    if (observed === undefined || observed.view.journal.epoch > this.#reign.epoch) return {}
    const decision = decideFence(observed.view)
    this.#memory = decision.memory
    this.#show(decision.problems)
    this.#tellHeld(decision.problems, observed)
    return { observed, decision }
  }

  /** People's own systems hear once that it may not be fenced; in maintenance nobody wants to be called. */
  #tellHeld(problems: readonly FenceProblem[], { view, journal }: Observed): void {
    const held = view.isMaintenance ? undefined : problems.find(({ id }) => id.startsWith('FENCE_HELD:'))
    if (held !== undefined && !this.#isHeld) this.#deps.hook.held(this.#node, journal.value, held.message)
    this.#isHeld = held !== undefined
  }

  /** @returns whether something was done, so that the next look is due at once */
  async #act(observed: Observed, decision: FenceDecision): Promise<boolean> {
    if (decision.work.includes('probe')) this.#startProbe()
    this.#opening?.work(decision.work, observed.view.journal.addresses)
    const context = {
      deps: this.#deps,
      reign: this.#reign,
      cluster: this.#cluster,
      node: this.#node,
      opening: this.#opening,
      writer: this.#writer,
      goneSinceMs: this.#memory.goneSinceMs,
    }
    const { action } = decision
    const journal = { ...observed.journal, value: withStuck(observed.journal.value, decision.stuck) }
    if (action === undefined) {
      await this.#writer.keepUp(observed.journal, journal.value, this.#opening)
      return false
    }
    if (action.kind !== 'open' || journal.value.state !== 'closed') {
      const isFurther = await applyFenceAction(context, action, { ...observed, journal })
      // A recovery that waits is looked at again and again, and writes nothing itself.
      if (!isFurther) await this.#writer.keepUp(observed.journal, journal.value, this.#opening)
      return isFurther
    }
    return this.#cluster.opening.run(async () => {
      // Another node may have been taken for dead meanwhile, and then this one may be one too many.
      const again = await this.#look()
      if (again.decision?.action?.kind !== 'open' || again.observed === undefined) return false
      return applyFenceAction(context, again.decision.action, again.observed)
    })
  }

  #openingOf(journal: FenceJournal): Opening | undefined {
    if (journal.state === 'closed') {
      void this.#opening?.stop()
      this.#opening = undefined
    } else if (this.#opening?.seq !== journal.seq) {
      void this.#opening?.stop()
      this.#opening = new Opening(this.#deps, this.#reign, this.#node, journal.seq, () => this.#loop.trigger())
    }
    return this.#opening
  }

  #validProbe(): ProbeVerdict | undefined {
    const isValid = this.#probe !== undefined && this.#deps.clock.nowMs() - this.#probe.atMs < 2 * PROBE_VALID_MS
    return isValid ? this.#probe?.verdict : undefined
  }

  #startProbe(): void {
    const { clock, peers, log, settings } = this.#deps
    const isFresh = this.#probe !== undefined && clock.nowMs() - this.#probe.atMs < PROBE_VALID_MS
    if (isFresh || this.#probing !== undefined) return
    const others = settings.coordinators.filter((name) => name !== this.#reign.node && name !== this.#node)
    const run = async () => {
      try {
        const verdict = await probeNode(peers, this.#node, others)
        if (verdict.text !== this.#probe?.verdict.text) this.#opening?.tell('probe', verdict.text)
        this.#probe = { verdict, atMs: clock.nowMs() }
      } catch (error) {
        log.warn({ node: this.#node, error: errorChain(error) }, 'a node could not be probed')
      } finally {
        this.#probing = undefined
      }
      this.#loop.trigger()
    }
    this.#probing = run()
  }

  #show(problems: readonly FenceProblem[]): void {
    const ids = problems.map(({ id }) => id)
    for (const id of this.#problems) if (!ids.includes(id)) this.#reign.faults.clear(id)
    for (const { id, severity, message } of problems) this.#reign.faults.set(id, severity, message)
    this.#problems = ids
  }
}

function withStuck(journal: FenceJournal, stuck: string | undefined): FenceJournal {
  return stuck === undefined || journal.stuck === stuck ? journal : { ...journal, stuck }
}
