/**
 * The way back of a fenced node (protocol N7), and the look whether Ceph shuts this node out although nobody fences it
 * (N8).
 */
import type { Clock } from '../../base/clock.ts'
import { Reconciler } from '../../base/reconciler.ts'
import { MutableSignal, type Signal } from '../../base/signal.ts'
import { errorChain, hasCode } from '../../model/errors.ts'
import type { FenceJournal } from '../../model/fence.ts'
import type { LifeId } from '../../model/ids.ts'
import type { FaultBoard } from '../../ports/faults.ts'
import { tree } from '../../schema/tree.ts'
import type { Membership, Presence } from '../membership/membership.ts'
import { applyQuarantine, type QuarantineHold, type QuarantinePorts } from './apply.ts'
import { decideQuarantine, isClean } from './decide.ts'
import { observeRemains } from './observe.ts'
import {
  FIRST_MEMORY,
  type OwnBlocklist,
  type QuarantineMemory,
  type QuarantineSnapshot,
  type Remains,
} from './snapshot.ts'

export type QuarantineOptions = QuarantinePorts & {
  readonly membership: Membership
  readonly isAutoReady: boolean
  readonly faults: FaultBoard
  readonly clock: Clock
}

/** The quarantine of this node. */
export type Quarantine = {
  /** True from the begin of a purge until the node is taken into service again. */
  readonly isActive: Signal<boolean>
  /** Sequence of the fence journal that was acknowledged by this daemon; undefined: none. */
  readonly acknowledged: Signal<number | undefined>
  start(): void
  trigger(): void
  stop(): Promise<void>
}

/** How often a certified node looks whether Ceph shuts it out; below the age at which a start asks anew (N3). */
const BLOCKLIST_LOOK_MS = 25_000
const RETRY_MS = 1000

/** Creates the part; nothing happens before `start`. */
export function createQuarantine(options: QuarantineOptions): Quarantine {
  const { self, membership, blocklist, faults, clock, log } = options
  const keys = tree.node(self)
  const isActive = new MutableSignal(false)
  let memory: QuarantineMemory = FIRST_MEMORY
  let newLife: LifeId | undefined
  const acknowledged = new MutableSignal<number | undefined>(undefined)
  let isByBlocklist = false
  let said = ''

  const hold: QuarantineHold = {
    begin(reason) {
      membership.hold(reason)
      isActive.set(true)
    },
    acknowledge: (seq) => acknowledged.set(seq),
    async beginNewLife() {
      newLife = await membership.beginNewLife()
      return newLife
    },
    leave() {
      newLife = undefined
      isByBlocklist = false
      memory = FIRST_MEMORY
      faults.clear('NODE_BLOCKLISTED')
      isActive.set(false)
      membership.release()
    },
  }

  async function pass(): Promise<{ readonly wakeInMs?: number }> {
    const presence = membership.presence()
    if (presence === undefined) return {}
    const state = membership.state.value
    if (state.kind === 'present' && state.isFenced) return quarantine(presence)
    if (state.kind === 'certified' && !isActive.value) return checkBlocklist(presence)
    return { wakeInMs: RETRY_MS }
  }

  /** Blocklisted without a journal: its guests cannot write any more, so it goes through quarantine by itself (N8). */
  async function checkBlocklist({ session }: Presence) {
    memory = FIRST_MEMORY
    const own = await blocklist.look()
    if (own.kind !== 'listed') {
      faults.clear('NODE_BLOCKLISTED')
      return { wakeInMs: BLOCKLIST_LOOK_MS }
    }
    // In this order: an entry that was there before the journal was read as closed belongs to no fence of now.
    await session.sync()
    const journal = await session.get(keys.fence)
    if (journal?.value.state !== 'closed') return { wakeInMs: RETRY_MS }
    const message =
      'A storage address of this node is in Ceph’s blocklist though nobody fences it: its guests could not write and are ended; it takes the entry out and starts them again.'
    faults.set('NODE_BLOCKLISTED', 'critical', message)
    isByBlocklist = true
    hold.begin('its storage address is in the blocklist of Ceph')
    return { wakeInMs: 0 }
  }

  async function quarantine(presence: Presence) {
    const { session } = presence
    const snapshot = await observe(presence)
    if (snapshot === undefined) return { wakeInMs: RETRY_MS }
    const decision = decideQuarantine(snapshot)
    memory = decision.memory
    say(decision.step, snapshot.journal)
    if (decision.action === undefined) return { wakeInMs: decision.wakeInMs }
    await applyQuarantine(session, options, hold, snapshot, decision.action)
    return { wakeInMs: decision.wakeInMs }
  }

  async function observe({ session, life, bootId }: Presence): Promise<QuarantineSnapshot | undefined> {
    const [journal, status, spec] = await Promise.all([
      session.get(keys.fence),
      session.get(keys.status),
      session.get(keys.spec),
    ])
    if (journal === undefined) return undefined
    const remains = isActive.value ? await observeRemains(session, options) : NOTHING
    return {
      nowMs: clock.nowMs(),
      life,
      bootId,
      journal: journal.value,
      isHeld: isActive.value,
      isByBlocklist,
      newLife,
      ack: acknowledged.value ?? status?.value.ack ?? 0,
      publishedLife: status?.value.life,
      remains,
      blocklist: await ownBlocklist(journal.value, remains),
      wanted: spec?.value.wanted,
      isAutoReady: options.isAutoReady,
      memory,
    }
  }

  /** Ceph is asked only once the answer matters. */
  async function ownBlocklist(journal: FenceJournal, remains: Remains): Promise<OwnBlocklist> {
    const isDue = isActive.value && journal.state !== 'open' && isClean(remains)
    return isDue ? blocklist.look() : { kind: 'unknown', reason: 'it was not asked' }
  }

  function say(step: string, journal: FenceJournal): void {
    const why = isByBlocklist ? 'Ceph shut it out' : 'it was fenced'
    faults.set('NODE_NOT_CERTIFIED', 'critical', `This node starts no VMs because ${why}: ${step}.`)
    if (step === said) return
    said = step
    log.info({ step, journal: journal.state, seq: journal.seq }, 'quarantine')
  }

  const loop = new Reconciler({
    clock,
    pass,
    rescanMs: BLOCKLIST_LOOK_MS,
    retryMs: RETRY_MS,
    onError(error) {
      const isOutage = hasCode(error, 'PVC_STORE_SESSION_LOST', 'PVC_STORE_UNAVAILABLE', 'PVC_STORE_TIMEOUT')
      log[isOutage ? 'info' : 'warn']({ error: errorChain(error) }, 'a step of the quarantine failed, trying again')
    },
  })
  let unsubscribe: (() => void) | undefined
  return {
    isActive,
    acknowledged,
    start() {
      unsubscribe = membership.state.subscribe(() => loop.trigger())
      loop.trigger()
    },
    trigger: () => loop.trigger(),
    async stop() {
      unsubscribe?.()
      await loop.stop()
    },
  }
}

const NOTHING: Remains = {
  permits: [],
  incomings: [],
  domains: [],
  creates: [],
  processes: [],
  libvirtProblem: '',
}
