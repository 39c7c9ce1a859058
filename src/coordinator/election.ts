/** The loop of the election on one coordinator: observes, decides, and keeps the reign of this node while it has one. */
import { sleep } from '../base/clock.ts'
import { withDeadline } from '../base/deadline.ts'
import { Reconciler } from '../base/reconciler.ts'
import { errorChain, hasCode } from '../model/errors.ts'
import type { PrimaryRole } from '../ports/primary.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import { decideElection, type ElectionDecision, type ElectionSnapshot, isInvited } from './decide.ts'
import type { CoordinatorDeps } from './deps.ts'
import { takeLease } from './epoch.ts'
import { MaintenanceGates } from './gate.ts'
import { Invitation } from './invitation.ts'
import { observeElection, type SeenElection } from './observe.ts'
import { ActiveReign, COMMAND_MS } from './reign.ts'
import { Roles } from './roles.ts'

const RESCAN_MS = 5000
const RETRY_MS = 250
/** A node that resigned leaves the lease to others this long, if they take it. */
const REST_MS = 30_000
/** After a reign that could not begin. */
const BEGIN_RETRY_MS = 2000
const STOP_MS = 7000
const CLOSE_MS = 1000

type Ending = { readonly reason: string; readonly isDrained: boolean; readonly wish: number | undefined }

/** Takes part in the election from `start` to `stop`. */
export class Election {
  readonly #deps: CoordinatorDeps
  readonly #roles: Roles
  readonly #invitation: Invitation
  readonly #gates = new MaintenanceGates()
  readonly #loop: Reconciler
  readonly #unsubscribes: (() => void)[] = []
  #sessionUnsubscribes: (() => void)[] = []
  #reign: ActiveReign | undefined
  #ending: Promise<void> | undefined
  #absentSinceMs: number | undefined
  #namedAtMs: number | undefined
  #restUntilMs = 0
  #notBeforeMs = 0
  #resignReason: string | undefined
  #isStopping = false
  #said = ''

  constructor(deps: CoordinatorDeps, roles: readonly PrimaryRole[]) {
    this.#deps = deps
    const { clock, log } = deps
    this.#roles = new Roles(roles, { clock, log, onChange: () => this.#reign?.onRoles() })
    this.#invitation = new Invitation(deps, this.#roles)
    this.#loop = new Reconciler({
      clock,
      pass: () => this.#pass(),
      rescanMs: RESCAN_MS,
      retryMs: RETRY_MS,
      onError: (error) => this.#onError(error),
    })
  }

  start(): void {
    const { store, isNodeAble } = this.#deps
    this.#unsubscribes.push(
      store.session.subscribe((session) => this.#follow(session)),
      isNodeAble.subscribe(() => this.#loop.trigger()),
    )
    this.#follow(store.session.value)
  }

  async stop(): Promise<void> {
    const { clock, log, store } = this.#deps
    this.#isStopping = true
    this.#loop.trigger()
    try {
      await withDeadline(clock, STOP_MS, 'giving up the primary', this.#givenUp())
    } catch (error) {
      log.warn({ error: errorChain(error) }, 'the primary was not given up in order')
    }
    for (const unsubscribe of [...this.#unsubscribes, ...this.#sessionUnsubscribes]) unsubscribe()
    this.#reign?.end('this daemon ends')
    await withDeadline(clock, CLOSE_MS, 'election', this.#loop.stop()).catch(() => undefined)
    await this.#invitation.decline()
    await withDeadline(clock, CLOSE_MS, 'roles', this.#roles.close()).catch(() => undefined)
    await withDeadline(clock, CLOSE_MS, 'lease session', store.close()).catch(() => undefined)
  }

  /** Resolves when this node is not primary. */
  async #givenUp(): Promise<void> {
    while (this.#reign !== undefined) {
      const { ended } = this.#reign
      if (!ended.aborted) await new Promise((resolve) => ended.addEventListener('abort', resolve, { once: true }))
      await this.#ending
    }
  }

  #follow(session: StoreSession | undefined): void {
    for (const unsubscribe of this.#sessionUnsubscribes) unsubscribe()
    this.#sessionUnsubscribes = []
    if (session !== undefined) {
      this.#sessionUnsubscribes.push(
        session.state.subscribe(() => this.#loop.trigger()),
        session.onChange(() => this.#loop.trigger()),
      )
    }
    this.#loop.trigger()
  }

  async #pass(): Promise<{ readonly wakeInMs?: number }> {
    const { store, self, coordinators } = this.#deps
    const session = store.session.value
    // Without a connection nothing can be decided; a reign ends by its own clock.
    if (session?.state.value !== 'connected') return {}
    const seen = await observeElection(session, self, coordinators)
    if (this.#isDeposed(session, seen)) this.#reign?.end('the lease is gone')
    const snapshot = this.#snapshot(session, seen)
    const decision = this.#override(decideElection(snapshot))
    this.#say(decision)
    if (!isInvited(snapshot)) await this.#invitation.decline()
    return this.#apply(session, seen, decision)
  }

  #isDeposed(session: StoreSession, { lease }: SeenElection): boolean {
    return this.#reign !== undefined && lease?.owner !== session.id
  }

  #snapshot(session: StoreSession, seen: SeenElection): ElectionSnapshot {
    const { self, clock, isNodeAble } = this.#deps
    const { lease, wanted, others } = seen
    if (lease !== undefined) this.#absentSinceMs = undefined
    else this.#absentSinceMs ??= clock.nowMs()
    const reign = this.#reign === undefined ? 'none' : this.#reign.ended.aborted ? 'ending' : 'reigning'
    return {
      self,
      nowMs: clock.nowMs(),
      isAble: isNodeAble.value && seen.isSelfAlive && clock.nowMs() >= this.#notBeforeMs,
      isStopping: this.#isStopping,
      contactAgeMs: clock.nowMs() - session.lastAckSentAtMs(),
      lease: lease && { node: lease.node, isMine: lease.owner === session.id },
      absentSinceMs: this.#absentSinceMs,
      reign,
      wanted,
      // Our own word counts from the moment it is said, not only when it is written.
      status: this.#reign?.status.value ?? seen.status,
      others,
      restUntilMs: this.#restUntilMs,
      namedAtMs: this.#namedAtMs,
    }
  }

  /** A role that asked to resign is obeyed at once. */
  #override(decision: ElectionDecision): ElectionDecision {
    const reason = this.#resignReason
    this.#resignReason = undefined
    if (reason === undefined || this.#reign === undefined || this.#reign.ended.aborted) return decision
    return { kind: 'hand-over', wish: undefined, reason }
  }

  #say(decision: ElectionDecision): void {
    const text = 'reason' in decision ? `${decision.kind}: ${decision.reason}` : decision.kind
    if (text !== this.#said) this.#deps.log.info({ decision: text }, 'election')
    this.#said = text
  }

  async #apply(
    session: StoreSession,
    seen: SeenElection,
    decision: ElectionDecision,
  ): Promise<{ readonly wakeInMs?: number }> {
    const { state, clock } = this.#deps
    switch (decision.kind) {
      case 'wait':
        if (this.#reign === undefined) state.set('secondary')
        return decision.wakeInMs === undefined ? {} : { wakeInMs: decision.wakeInMs }
      case 'clear':
        await session.remove(tree.primary.lease.path, seen.lease?.version)
        return { wakeInMs: 0 }
      case 'prepare':
        await this.#invitation.accept(session)
        return {}
      case 'take':
        return this.#take(session, seen)
      case 'name-successor':
        this.#namedAtMs = decision.node === null ? undefined : clock.nowMs()
        this.#reign?.status.patch({ successor: decision.node })
        if (decision.node === null) await this.#roles.reclaim()
        else this.#roles.hush()
        return { wakeInMs: 0 }
      case 'answer':
        await this.#answer(decision.wish, decision.problem)
        return { wakeInMs: 0 }
      case 'hand-over':
        await this.#handOver(session, decision.reason, decision.wish)
        return { wakeInMs: 0 }
    }
  }

  async #take(session: StoreSession, seen: SeenElection): Promise<object> {
    const { self, bootId, state, faults, clock, log } = this.#deps
    const taken = await takeLease(session, self, bootId)
    if (taken === undefined) return { wakeInMs: 0 }
    this.#invitation.fulfil()
    log.info({ epoch: taken.epoch }, 'took the lease')
    state.set('takeover')
    this.#namedAtMs = undefined
    const reign: ActiveReign = new ActiveReign({
      self,
      session,
      epoch: taken.epoch,
      before: seen.status,
      roles: this.#roles,
      gates: this.#gates,
      faults,
      clock,
      log,
      onBegun: () => state.set('primary'),
      onEnd: (reason) => this.#onEnd(reign, reason),
      onResign: (reason) => {
        this.#resignReason = reason
        this.#restUntilMs = clock.nowMs() + REST_MS
        this.#loop.trigger()
      },
    })
    this.#reign = reign
    void reign.begin().catch((error: unknown) => {
      log.error({ error: errorChain(error) }, 'the reign could not begin')
      this.#notBeforeMs = clock.nowMs() + BEGIN_RETRY_MS
      reign.end('it could not begin')
    })
    return {}
  }

  /** The order was carried out before, or cannot be; a successor that was named for it is none any more. */
  async #answer(wishSeen: number, wishProblem: string): Promise<void> {
    const status = this.#reign?.status
    const wasNamed = status?.value.successor != null
    this.#namedAtMs = undefined
    status?.patch({ wishSeen, wishProblem, successor: null })
    if (wasNamed) await this.#roles.reclaim()
  }

  /** The orderly end: roles in reverse order, then the word that nothing is in flight, then the lease. */
  async #handOver(session: StoreSession, reason: string, wish: number | undefined): Promise<void> {
    const { state, log, clock } = this.#deps
    const reign = this.#reign
    if (reign === undefined) return
    log.info({ reason }, 'giving up the primary')
    state.set('relinquish')
    if (!this.#deps.isNodeAble.value && !this.#isStopping) this.#restUntilMs = clock.nowMs() + REST_MS
    const late = await this.#roles.stop()
    const isDrained = late.length === 0 && this.#gates.inFlight === 0 && !reign.ended.aborted
    await this.#finish(session, reign, { reason, isDrained, wish })
  }

  async #finish(session: StoreSession, reign: ActiveReign, { reason, isDrained, wish }: Ending): Promise<void> {
    const { status } = reign
    const successor = status.value.successor
    this.#ending ??= (async () => {
      await reign.close()
      reign.end(reason)
      // Not drained: the successor waits by itself, but only from its lease on; commands may live longer than that.
      if (!isDrained) await sleep(this.#deps.clock, COMMAND_MS)
      const answer = wish === undefined ? {} : { wishSeen: wish, wishProblem: '' }
      const patch = { isRelinquished: isDrained, successor, ...answer }
      const results = await Promise.allSettled([status.sendLast(patch), session.remove(tree.primary.lease.path)])
      for (const result of results) if (result.status === 'rejected') this.#onError(result.reason)
    })()
    await this.#ending
    this.#concluded(reign)
  }

  /** The reign ended by its clock, its session, or its lease: everything is dropped at once. */
  #onEnd(reign: ActiveReign, reason: string): void {
    if (this.#ending !== undefined || this.#reign !== reign) return
    const { state, log } = this.#deps
    log.warn({ reason }, 'the reign has ended, dropping everything')
    state.set('relinquish')
    this.#ending = (async () => {
      const late = await this.#roles.drop()
      if (late.length > 0) log.error({ roles: late }, 'roles were not given up in time')
      await reign.close()
    })()
    void this.#ending.then(() => this.#concluded(reign))
  }

  #concluded(reign: ActiveReign): void {
    if (this.#reign !== reign) return
    this.#reign = undefined
    this.#ending = undefined
    this.#namedAtMs = undefined
    this.#deps.state.set('secondary')
    this.#loop.trigger()
  }

  #onError(error: unknown): void {
    const isOutage = hasCode(error, 'PVC_STORE_SESSION_LOST', 'PVC_STORE_UNAVAILABLE', 'PVC_STORE_TIMEOUT')
    this.#deps.log[isOutage ? 'info' : 'error']({ error: errorChain(error) }, 'the election was interrupted')
  }
}
