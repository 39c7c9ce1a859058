/**
 * This node's membership: its life, its proof of life, and whether it is certified to run guests (protocol N1). A session
 * is everything: certification was decided in one session and ends with it. Losing it touches no guest.
 */

import type { Clock } from '../../base/clock.ts'
import { Reconciler } from '../../base/reconciler.ts'
import { MutableSignal, type Signal } from '../../base/signal.ts'
import { errorChain, hasCode } from '../../model/errors.ts'
import { type BootId, type LifeId, LifeId as LifeIdSchema } from '../../model/ids.ts'
import type { NodeStatus } from '../../model/node.ts'
import type { NodeFiles } from '../../ports/files.ts'
import type { Log } from '../../ports/log.ts'
import type { RawNode, Store, StoreSession } from '../../ports/store.ts'
import type { Key } from '../../schema/key.ts'
import { tree } from '../../schema/tree.ts'
import type { FaultBoard } from '../faults.ts'
import { applyAlive } from './alive.ts'
import { decideAlive, decideCertification, decideLife } from './decide.ts'
import { type Registration, register } from './registration.ts'

/** The right to write about this node: its `alive` stands in this very session. */
export type Presence = { readonly session: StoreSession; readonly life: LifeId; readonly bootId: BootId }

/** What membership has reached. `reason` tells a person what it waits for. */
export type MembershipState =
  /** No `alive` of ours: nothing may be written, not even the heartbeat. */
  | { readonly kind: 'absent'; readonly reason: string }
  /** Alive, but the journal forbids running guests. isFenced: the way back leads through quarantine. */
  | { readonly kind: 'present'; readonly presence: Presence; readonly reason: string; readonly isFenced: boolean }
  | { readonly kind: 'certified'; readonly presence: Presence }

export type MembershipOptions = {
  readonly registration: Registration
  readonly machineId: string | undefined
  readonly store: Store
  readonly files: NodeFiles
  readonly clock: Clock
  readonly log: Log
  readonly faults: FaultBoard
  /** A fresh random uuid. */
  readonly newUuid: () => string
  /** Called once, with what this node published in earlier sessions, before it becomes present. */
  readonly onFirstSession?: (published: { readonly seqs: Readonly<Record<string, number>> }) => void
}

const RESCAN_MS = 30_000
const RETRY_MS = 500
/** Steps from no `alive` to one of our own: remove, create, look. */
const MAX_STEPS = 4

/** The membership of this node; nothing happens before `start`. */
export class Membership {
  readonly state: Signal<MembershipState>
  readonly #options: MembershipOptions
  readonly #keys: ReturnType<typeof tree.node>
  readonly #state = new MutableSignal<MembershipState>({ kind: 'absent', reason: 'ZooKeeper is not connected' })
  readonly #loop: Reconciler
  #unsubscribeStore: (() => void) | undefined
  readonly #sessionUnsubscribes: (() => void)[] = []
  #registeredIn: StoreSession | undefined
  #identity: { readonly life: LifeId; readonly bootId: BootId } | undefined
  #previousStatus: NodeStatus | undefined
  #held: string | undefined

  constructor(options: MembershipOptions) {
    this.#options = options
    this.#keys = tree.node(options.registration.self)
    this.state = this.#state
    this.#loop = new Reconciler({
      clock: options.clock,
      pass: () => this.#pass(),
      rescanMs: RESCAN_MS,
      retryMs: RETRY_MS,
      onError: (error) => this.#onError(error),
    })
  }

  /** Presence in the store's session of this moment. */
  presence(): Presence | undefined {
    const state = this.#state.value
    const presence = state.kind === 'absent' ? undefined : state.presence
    const isCurrent =
      presence?.session === this.#options.store.session.value && presence?.session.state.value !== 'lost'
    return isCurrent ? presence : undefined
  }

  /** The certificate in the store's session of this moment; undefined: start nothing. */
  certificate(): Presence | undefined {
    return this.#state.value.kind === 'certified' ? this.presence() : undefined
  }

  /** This node's last status as an earlier daemon left it; undefined at the first start of all, or before the first session. */
  get previousStatus(): NodeStatus | undefined {
    return this.#previousStatus
  }

  /** Looks again. */
  trigger(): void {
    this.#loop.trigger()
  }

  /**
   * Withdraws the certificate at once and gives out no other before {@link release}: whatever the journal says meanwhile,
   * what has begun to be purged is purged to the end (protocol N7).
   */
  hold(reason: string): void {
    this.#held = reason
    const state = this.#state.value
    if (state.kind === 'certified') this.#move({ kind: 'present', presence: state.presence, reason, isFenced: true })
    this.#loop.trigger()
  }

  /** Lets the journal alone decide again. */
  release(): void {
    this.#held = undefined
    this.#loop.trigger()
  }

  /**
   * A new life of this boot, after everything of the old one was purged. Kept on disk before it is published, so that no
   * life is used twice; `alive` is changed in place.
   */
  async beginNewLife(): Promise<LifeId> {
    const { files, log, newUuid } = this.#options
    const bootId = this.#identity?.bootId ?? (await files.bootId())
    const life = LifeIdSchema.parse(newUuid())
    await files.writeLife(bootId, life)
    log.info({ life, bootId }, 'a new life begins after a quarantine')
    this.#identity = { life, bootId }
    this.#loop.trigger()
    return life
  }

  start(): void {
    const { store } = this.#options
    this.#unsubscribeStore = store.session.subscribe((session) => this.#follow(session))
    this.#follow(store.session.value)
  }

  async stop(): Promise<void> {
    this.#unsubscribeStore?.()
    this.#unfollow()
    await this.#loop.stop()
  }

  #unfollow(): void {
    for (const unsubscribe of this.#sessionUnsubscribes.splice(0)) unsubscribe()
  }

  #follow(session: StoreSession | undefined): void {
    this.#unfollow()
    if (session !== undefined) {
      this.#sessionUnsubscribes.push(
        session.state.subscribe(() => this.#loop.trigger()),
        session.onChange((path) => {
          if (path === this.#keys.alive.path || path === this.#keys.fence.path) this.#loop.trigger()
        }),
      )
    }
    this.#loop.trigger()
  }

  async #pass(): Promise<object> {
    const session = this.#options.store.session.value
    if (session === undefined || session.state.value === 'lost') {
      this.#move({ kind: 'absent', reason: 'ZooKeeper is not connected' })
    } else if (session.state.value === 'connected') {
      await this.#join(session)
    } else if (sessionOf(this.#state.value) !== session) {
      this.#move({ kind: 'absent', reason: 'the connection to ZooKeeper is interrupted' })
    }
    // Suspended in the session we joined: it may live on, and what was decided in it still holds.
    return {}
  }

  async #join(session: StoreSession): Promise<void> {
    const { registration, faults } = this.#options
    if (this.#registeredIn !== session) {
      await register(session, registration)
      this.#registeredIn = session
    }
    const { life, bootId } = await this.#identify(session)
    const refusal = await this.#claimAlive(session, life)
    if (refusal !== undefined) {
      this.#move({ kind: 'absent', reason: refusal })
      return
    }
    // After alive, and in the same session: either the primary sees our alive, or we see its journal.
    const journal = parse(this.#keys.fence, await session.readWatched(this.#keys.fence.path))?.value
    const verdict = decideCertification(life, journal, this.#held)
    const presence = { session, life, bootId }
    if (verdict.kind === 'certified') {
      faults.clear('NODE_NOT_CERTIFIED')
      this.#move({ kind: 'certified', presence })
      return
    }
    const isFenced = verdict.kind === 'fenced'
    const next: MembershipState = { kind: 'present', presence, reason: verdict.reason, isFenced }
    // Said once: the quarantine goes on to say how far it is.
    if (!isSame(this.#state.value, next))
      faults.set('NODE_NOT_CERTIFIED', 'critical', `This node starts no VMs because ${verdict.reason}.`)
    this.#move(next)
  }

  async #identify(session: StoreSession): Promise<{ readonly life: LifeId; readonly bootId: BootId }> {
    if (this.#identity !== undefined) return this.#identity
    const { files, log, newUuid, onFirstSession } = this.#options
    const bootId = await files.bootId()
    const [kept, status, seqs] = await Promise.all([
      files.readLife(bootId),
      this.#readOwn(session, this.#keys.status),
      this.#readOwn(session, this.#keys.seqs),
    ])
    this.#previousStatus = status
    const known = decideLife({ bootId, kept, published: status })
    const life = known ?? LifeIdSchema.parse(newUuid())
    if (kept === undefined) await files.writeLife(bootId, life)
    log.info({ life, bootId }, known === undefined ? 'a new life begins' : 'the life goes on')
    onFirstSession?.({ seqs: seqs?.seqs ?? {} })
    this.#identity = { life, bootId }
    return this.#identity
  }

  /** A document of ours from an earlier daemon. Of another release it may be unreadable, which must not keep the node out. */
  async #readOwn<T>(session: StoreSession, key: Key<T>): Promise<T | undefined> {
    try {
      return (await session.get(key))?.value
    } catch (error) {
      if (!hasCode(error, 'PVC_STORE_CORRUPT')) throw error
      this.#options.log.warn({ error: errorChain(error) }, 'an own document is unreadable and will be replaced')
      return undefined
    }
  }

  /** @returns the reason why `alive` is not ours, or undefined once it is. */
  async #claimAlive(session: StoreSession, life: LifeId): Promise<string | undefined> {
    const { machineId } = this.#options
    for (let step = 0; step < MAX_STEPS; step += 1) {
      const alive = parse(this.#keys.alive, await session.readWatched(this.#keys.alive.path))
      const decision = decideAlive({ sessionId: session.id, life, machineId, alive })
      if (decision.kind === 'owned') return undefined
      if (decision.kind === 'wait') return decision.reason
      await applyAlive(session, this.#keys.alive, { life, ...(machineId === undefined ? {} : { machineId }) }, decision)
    }
    return 'its proof of life is changed again and again: does another pvcnoded run under this name?'
  }

  #onError(error: unknown): void {
    const { log } = this.#options
    if (hasCode(error, 'PVC_STORE_SESSION_LOST', 'PVC_STORE_UNAVAILABLE')) {
      log.info({ error: errorChain(error) }, 'joining was interrupted')
      return
    }
    log.error({ error: errorChain(error) }, 'joining the cluster failed, trying again')
    if (this.presence() === undefined) this.#move({ kind: 'absent', reason: errorChain(error) })
  }

  #move(next: MembershipState): void {
    const from = this.#state.value
    if (isSame(from, next)) return
    const isLoss = from.kind === 'certified' && next.kind !== 'certified'
    const fields = { from: from.kind, to: next.kind, reason: reasonOf(next), session: sessionOf(next)?.id }
    this.#options.log[isLoss ? 'warn' : 'info'](fields, 'membership changed')
    this.#state.set(next)
  }
}

function isSame(a: MembershipState, b: MembershipState): boolean {
  return a.kind === b.kind && reasonOf(a) === reasonOf(b) && sessionOf(a) === sessionOf(b) && lifeOf(a) === lifeOf(b)
}

function reasonOf(state: MembershipState): string {
  return state.kind === 'certified' ? '' : state.reason
}

function lifeOf(state: MembershipState): LifeId | undefined {
  return state.kind === 'absent' ? undefined : state.presence.life
}

function sessionOf(state: MembershipState): StoreSession | undefined {
  return state.kind === 'absent' ? undefined : state.presence.session
}

function parse<T>(key: Key<T>, node: RawNode | undefined) {
  return node === undefined ? undefined : { ...node, value: key.codec.decode(node.text, key.path) }
}
