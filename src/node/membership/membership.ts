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
import { type AliveDecision, decideAlive, decideCertification, decideLife } from './decide.ts'
import { type Registration, register } from './registration.ts'

/** The right to write about this node: its `alive` stands in this very session. */
export type Presence = { readonly session: StoreSession; readonly life: LifeId; readonly bootId: BootId }

/** What membership has reached. `reason` tells a person what it waits for. */
export type MembershipState =
  /** No `alive` of ours: nothing may be written, not even the heartbeat. */
  | { readonly kind: 'absent'; readonly reason: string }
  /** Alive, but the journal forbids running guests. */
  | { readonly kind: 'present'; readonly presence: Presence; readonly reason: string }
  | { readonly kind: 'certified'; readonly presence: Presence }

export type Membership = {
  readonly state: Signal<MembershipState>
  /** Presence in the store's session of this moment. */
  presence(): Presence | undefined
  /** The certificate in the store's session of this moment; undefined: start nothing. */
  certificate(): Presence | undefined
  /** This node's last status document as an earlier daemon left it; undefined at the first start, or before the first session. */
  previousStatus(): NodeStatus | undefined
  start(): void
  stop(): Promise<void>
}

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

/** Creates the membership of this node; nothing happens before `start`. */
export function createMembership(options: MembershipOptions): Membership {
  const { store, clock, log, faults, registration } = options
  const keys = tree.node(registration.self)
  const state = new MutableSignal<MembershipState>({ kind: 'absent', reason: 'ZooKeeper is not connected' })
  const sessionUnsubscribes: (() => void)[] = []
  let unsubscribeStore: (() => void) | undefined
  let registeredIn: StoreSession | undefined
  let identity: { readonly life: LifeId; readonly bootId: BootId } | undefined
  let previous: NodeStatus | undefined

  const move = (next: MembershipState): void => {
    const from = state.value
    const isSame = from.kind === next.kind && reasonOf(from) === reasonOf(next) && sessionOf(from) === sessionOf(next)
    if (isSame) return
    const isGood = next.kind === 'certified'
    log[isGood || from.kind === 'absent' ? 'info' : 'warn'](
      { from: from.kind, to: next.kind, reason: reasonOf(next), session: sessionOf(next)?.id },
      'membership changed',
    )
    state.set(next)
  }

  async function identify(session: StoreSession): Promise<{ readonly life: LifeId; readonly bootId: BootId }> {
    if (identity !== undefined) return identity
    const bootId = await options.files.bootId()
    const [kept, status, seqs] = await Promise.all([
      options.files.readLife(bootId),
      session.get(keys.status),
      session.get(keys.seqs),
    ])
    previous = status?.value
    const known = decideLife({ bootId, kept, published: status?.value })
    const life = known ?? LifeIdSchema.parse(options.newUuid())
    if (kept === undefined) await options.files.writeLife(bootId, life)
    log.info(
      { life, bootId, isNew: known === undefined },
      known === undefined ? 'a new life begins' : 'the life goes on',
    )
    options.onFirstSession?.({ seqs: seqs?.value.seqs ?? {} })
    identity = { life, bootId }
    return identity
  }

  async function applyAlive(session: StoreSession, life: LifeId, decision: AliveDecision): Promise<void> {
    const value = { life, ...(options.machineId === undefined ? {} : { machineId: options.machineId }) }
    try {
      if (decision.kind === 'create') await session.create(keys.alive, value, 'ephemeral')
      else if (decision.kind === 'remove') await session.remove(keys.alive.path, decision.version)
      else if (decision.kind === 'update') await session.set(keys.alive, value, decision.version)
    } catch (error) {
      // Somebody was quicker, e.g. the old session expired: the next look tells.
      if (!hasCode(error, 'PVC_STORE_EXISTS', 'PVC_STORE_MISSING', 'PVC_STORE_VERSION')) throw error
    }
  }

  /** @returns the reason why `alive` is not ours, or undefined once it is. */
  async function claimAlive(session: StoreSession, life: LifeId): Promise<string | undefined> {
    for (let step = 0; step < MAX_STEPS; step += 1) {
      const alive = parse(keys.alive, await session.readWatched(keys.alive.path))
      const decision = decideAlive({ sessionId: session.id, life, machineId: options.machineId, alive })
      if (decision.kind === 'owned') return undefined
      if (decision.kind === 'wait') return decision.reason
      await applyAlive(session, life, decision)
    }
    return 'its proof of life is changed again and again: does another pvcnoded run under this name?'
  }

  async function join(session: StoreSession): Promise<void> {
    if (registeredIn !== session) {
      await register(session, registration)
      registeredIn = session
    }
    const { life, bootId } = await identify(session)
    const refusal = await claimAlive(session, life)
    if (refusal !== undefined) return move({ kind: 'absent', reason: refusal })
    // After alive, and in the same session: either the primary sees our alive, or we see its journal.
    const journal = parse(keys.fence, await session.readWatched(keys.fence.path))?.value
    const verdict = decideCertification(life, journal)
    const presence = { session, life, bootId }
    if (verdict.kind === 'certified') {
      faults.clear('NODE_NOT_CERTIFIED')
      return move({ kind: 'certified', presence })
    }
    const message = `This node starts no VMs because ${verdict.reason}.`
    faults.set('NODE_NOT_CERTIFIED', 'critical', message)
    move({ kind: 'present', presence, reason: verdict.reason })
  }

  async function pass(): Promise<object> {
    const session = store.session.value
    if (session === undefined || session.state.value === 'lost') {
      move({ kind: 'absent', reason: 'ZooKeeper is not connected' })
    } else if (session.state.value === 'connected') {
      await join(session)
    } else if (sessionOf(state.value) !== session) {
      move({ kind: 'absent', reason: 'the connection to ZooKeeper is interrupted' })
    }
    // Suspended in the session we joined: it may live on, and what was decided in it still holds.
    return {}
  }

  const loop = new Reconciler({
    clock,
    pass,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    onError(error) {
      if (hasCode(error, 'PVC_STORE_SESSION_LOST', 'PVC_STORE_UNAVAILABLE')) {
        return log.info({ error: errorChain(error) }, 'joining was interrupted')
      }
      log.error({ error: errorChain(error) }, 'joining the cluster failed, trying again')
      if (presenceNow() === undefined) move({ kind: 'absent', reason: errorChain(error) })
    },
  })

  function follow(session: StoreSession | undefined): void {
    for (const unsubscribe of sessionUnsubscribes.splice(0)) unsubscribe()
    if (session !== undefined) {
      sessionUnsubscribes.push(
        session.state.subscribe(() => loop.trigger()),
        session.onChange((path) => {
          if (path === keys.alive.path || path === keys.fence.path) loop.trigger()
        }),
      )
    }
    loop.trigger()
  }

  const presenceNow = (): Presence | undefined => {
    const presence = state.value.kind === 'absent' ? undefined : state.value.presence
    const isCurrent = presence?.session === store.session.value && presence?.session.state.value !== 'lost'
    return isCurrent ? presence : undefined
  }
  return {
    state,
    presence: presenceNow,
    certificate: () => (state.value.kind === 'certified' ? presenceNow() : undefined),
    previousStatus: () => previous,
    start() {
      unsubscribeStore = store.session.subscribe(follow)
      follow(store.session.value)
    },
    async stop() {
      unsubscribeStore?.()
      for (const unsubscribe of sessionUnsubscribes.splice(0)) unsubscribe()
      await loop.stop()
    },
  }
}

function reasonOf(state: MembershipState): string {
  return state.kind === 'certified' ? '' : state.reason
}

function sessionOf(state: MembershipState): StoreSession | undefined {
  return state.kind === 'absent' ? undefined : state.presence.session
}

function parse<T>(key: Key<T>, node: RawNode | undefined) {
  return node === undefined ? undefined : { ...node, value: key.codec.decode(node.text, key.path) }
}
