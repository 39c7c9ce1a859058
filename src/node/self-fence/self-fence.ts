/**
 * The node's side of the self-fence: tells the guard of every contact, arms and disarms it, and says in the status whether
 * the cluster may count on it. Orders go out by a timer of their own and wait for nothing, so that no busy part of the
 * daemon can make a contact look older than it is.
 */
import type { Clock, Timer } from '../../base/clock.ts'
import { Reconciler } from '../../base/reconciler.ts'
import { errorChain, hasCode } from '../../model/errors.ts'
import type { NodeName } from '../../model/ids.ts'
import type { NodeFiles } from '../../ports/files.ts'
import type { Guard, GuardReport, GuardSettings } from '../../ports/guard.ts'
import type { Log } from '../../ports/log.ts'
import type { QuorumAnswer } from '../../ports/peer.ts'
import { tree } from '../../schema/tree.ts'
import type { Index } from '../../view/index.ts'
import type { FaultBoard } from '../faults.ts'
import { decideCertification } from '../membership/decide.ts'
import type { Membership } from '../membership/membership.ts'
import { decideSelfFence, isLatched, type SelfFenceStatus, selfFenceProblems } from './decide.ts'
import { firstQuestionMs, noQuorumProof, QUORUM_ASK_EVERY_MS } from './quorum.ts'

/** Half of the ping check F: how old a contact in the page can be beyond its own age. */
const ORDER_EVERY_MS = 250
const RESCAN_MS = 30_000
const RETRY_MS = 500

export type SelfFenceOptions = {
  readonly self: NodeName
  /** The configuration allows it: both the self-fence and fencing are enabled. */
  readonly isEnabled: boolean
  readonly settings: GuardSettings
  readonly resetMs: number
  readonly guard: Guard
  readonly membership: Membership
  /** Tells when the cluster's document changed. */
  readonly index: Index
  readonly files: Pick<NodeFiles, 'qemuProcesses'>
  /** What the status document says for certain in the present session. */
  readonly published: () => 'armed' | 'off' | undefined
  /** Asks every coordinator how long its ZooKeeper server has not served; it never fails. */
  readonly quorum: () => Promise<readonly QuorumAnswer[]>
  readonly coordinators: number
  /** Used until a session tells its own. */
  readonly sessionTimeoutMs: number
  /** The status, or the right to start VMs, changed. */
  readonly onNews: () => void
  readonly clock: Clock
  readonly log: Log
  readonly faults: FaultBoard
}

/** The self-fence of this node; nothing is ordered before `start`. */
export class SelfFence {
  readonly #options: SelfFenceOptions
  readonly #loop: Reconciler
  readonly #unsubscribes: (() => void)[] = []
  #timer: Timer | undefined
  #report: GuardReport
  #wanted: 'armed' | 'off' | undefined
  #isStopping = false
  #clearedLatch = 0
  #contactMs: number | undefined
  #sessionTimeoutMs: number
  #askedAtMs = 0
  #isAsking = false
  #said = ''

  constructor(options: SelfFenceOptions) {
    this.#options = options
    this.#sessionTimeoutMs = options.sessionTimeoutMs
    this.#report = options.guard.report()
    this.#wanted = options.isEnabled ? undefined : 'off'
    this.#loop = new Reconciler({
      clock: options.clock,
      pass: () => this.#pass(),
      rescanMs: RESCAN_MS,
      retryMs: RETRY_MS,
      onError: (error) => this.#onError(error),
    })
  }

  /** True while the guard forbids every start on this node. */
  isLatched(): boolean {
    return isLatched({
      latch: this.#report.latch,
      clearedLatch: Math.max(this.#report.clearedLatch, this.#clearedLatch),
    })
  }

  /** What the status document is to say now. */
  status(): SelfFenceStatus {
    return this.#decide().status
  }

  start(): void {
    const { membership, index } = this.#options
    this.#unsubscribes.push(
      membership.state.subscribe(() => {
        this.#beat()
        this.#loop.trigger()
      }),
      index.onChange((changes) => changes.has(tree.cluster.path) && this.#loop.trigger()),
    )
    this.#tick()
    this.#loop.trigger()
  }

  /** Begins an orderly end: from now on the status says "off". Contacts go on until {@link stop}. */
  beginStop(): void {
    this.#isStopping = true
    this.#wanted = 'off'
  }

  /** Ends it. The guard is disarmed when the cluster knows; else it goes on alone and ends the guests at its bound. */
  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribes) unsubscribe()
    this.#beat()
    this.#timer?.cancel()
    await this.#loop.stop()
    if (this.#report.isArmed && this.#options.published() !== 'off') {
      this.#options.log.warn({}, 'the guard stays armed: that it is off could not be said')
    }
  }

  #tick(): void {
    this.#beat()
    this.#askQuorum()
    if (this.isLatched()) this.#loop.trigger()
    this.#timer = this.#options.clock.setTimer(ORDER_EVERY_MS, () => this.#tick())
  }

  /** One look at the guard and one order, without waiting for anything. */
  #beat(): void {
    const { guard, membership, log } = this.#options
    const wasLatched = this.isLatched()
    try {
      this.#report = guard.report()
      const session = membership.certificate()?.session
      if (session !== undefined) {
        this.#sessionTimeoutMs = session.timeoutMs
        this.#noteContact(session.lastAckSentAtMs())
      }
      const { order } = this.#decide()
      if (order !== undefined) {
        guard.order(order)
        this.#report = guard.report()
      }
    } catch (error) {
      // Then its base grows old, and the guard ends the guests: the safe side.
      log.error({ error: errorChain(error) }, 'the guard could not be told of the last contact')
    }
    this.#showFaults()
    const said = JSON.stringify([this.#decide().status, this.isLatched()])
    if (said === this.#said) return
    this.#said = said
    if (this.isLatched() !== wasLatched)
      log.warn({ latch: this.#report.latch, isLatched: !wasLatched }, 'latch changed')
    this.#options.onNews()
  }

  #decide() {
    const { settings, resetMs, published } = this.#options
    return decideSelfFence({
      wanted: this.#wanted,
      settings,
      resetMs,
      guard: this.#report,
      contactMs: this.#contactMs,
      published: published(),
      clearedLatch: this.#clearedLatch,
    })
  }

  #noteContact(atMs: number): void {
    this.#contactMs = Math.max(this.#contactMs ?? 0, atMs)
  }

  /** Without contact for half a session: was there a quorum at all that could have ended the session? */
  #askQuorum(): void {
    const { clock } = this.#options
    const nowMs = clock.nowMs()
    const baseMs = Math.max(this.#contactMs ?? 0, this.#report.baseMs)
    const isDue =
      this.#report.isArmed &&
      nowMs >= baseMs + firstQuestionMs(this.#sessionTimeoutMs) &&
      nowMs >= this.#askedAtMs + QUORUM_ASK_EVERY_MS
    if (!isDue || this.#isAsking) return
    this.#askedAtMs = nowMs
    this.#isAsking = true
    this.#question(nowMs, baseMs)
      .catch((error: unknown) => this.#onError(error))
      .finally(() => {
        this.#isAsking = false
      })
  }

  async #question(askedAtMs: number, baseMs: number): Promise<void> {
    const { quorum, coordinators, clock, log } = this.#options
    const answers = await quorum()
    const proofMs = noQuorumProof({
      askedAtMs,
      answeredAtMs: clock.nowMs(),
      notServingForMs: answers.map((answer) => answer.notServingForMs),
      coordinators,
      baseMs,
      sessionTimeoutMs: this.#sessionTimeoutMs,
    })
    log.info({ answers, isProof: proofMs !== undefined }, 'no contact; the coordinators were asked for a quorum')
    if (proofMs === undefined) return
    this.#noteContact(proofMs)
    this.#beat()
  }

  /** What is wanted, by a certain read; and the way back from a latch. */
  async #pass(): Promise<object> {
    const { isEnabled, membership } = this.#options
    const certificate = membership.certificate()
    if (certificate === undefined) return {}
    if (isEnabled && !this.#isStopping) {
      const cluster = await certificate.session.get(tree.cluster)
      if (cluster !== undefined && !this.#isStopping) this.#wanted = cluster.value.maintenance.on ? 'off' : 'armed'
    }
    if (this.isLatched()) await this.#clearLatch()
    this.#beat()
    return {}
  }

  /** Allowed once every guest is dead and this life is certified by a look at the journal after the latch (protocol N1). */
  async #clearLatch(): Promise<void> {
    const { self, membership, files, log } = this.#options
    const { latch, isKillVerified } = this.#report
    if (!isKillVerified && (await files.qemuProcesses()).size > 0) return
    const certificate = membership.certificate()
    if (certificate === undefined) return
    const journal = (await certificate.session.get(tree.node(self).fence))?.value
    const verdict = decideCertification(certificate.life, journal)
    if (verdict.kind !== 'certified' || membership.certificate() !== certificate) return
    log.warn({ latch }, 'certified after a latch: starts are allowed again')
    this.#clearedLatch = latch
  }

  #showFaults(): void {
    const { faults } = this.#options
    const problems = selfFenceProblems({ wanted: this.#wanted, guard: this.#report })
    const { guardNotRunning, watchdogAbsent, selfFenced } = problems
    if (guardNotRunning) faults.set('GUARD_NOT_RUNNING', guardNotRunning.severity, guardNotRunning.message)
    else faults.clear('GUARD_NOT_RUNNING')
    if (watchdogAbsent) faults.set('WATCHDOG_ABSENT', watchdogAbsent.severity, watchdogAbsent.message)
    else faults.clear('WATCHDOG_ABSENT')
    if (selfFenced) faults.set('SELF_FENCED', selfFenced.severity, selfFenced.message)
    else faults.clear('SELF_FENCED')
  }

  #onError(error: unknown): void {
    const isOutage = hasCode(error, 'PVC_STORE_SESSION_LOST', 'PVC_STORE_UNAVAILABLE', 'PVC_STORE_TIMEOUT')
    this.#options.log[isOutage ? 'info' : 'error']({ error: errorChain(error) }, 'the self-fence looks again soon')
  }
}
