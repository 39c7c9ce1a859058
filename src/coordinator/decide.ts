/** Who is to be primary, decided anew at every look by each coordinator for itself (protocol P1, P2). */
import type { PrimaryStatus, PrimaryWanted } from '../model/coordinator.ts'
import type { NodeName } from '../model/ids.ts'

/** A coordinator other than this one. */
export type Candidate = {
  readonly node: NodeName
  /** Alive, its daemon runs and is certified. */
  readonly isAble: boolean
  /** It has done everything that can be done before a handover. */
  readonly isPrepared: boolean
}

/** Everything a coordinator knows when it decides. Times are of its own monotonic clock. */
export type ElectionSnapshot = {
  readonly self: NodeName
  readonly nowMs: number
  /** This node could do the primary's work: alive, daemon state run, certified. */
  readonly isAble: boolean
  readonly isStopping: boolean
  /** Age of the last certain contact with ZooKeeper; a lease taken on an old one would end at once. */
  readonly contactAgeMs: number
  /** Undefined: nobody holds it. */
  readonly lease: { readonly node: NodeName; readonly isMine: boolean } | undefined
  /** Since when this coordinator has seen no lease; undefined while there is one. */
  readonly absentSinceMs: number | undefined
  /** ending: the roles of the last reign are being given up. */
  readonly reign: 'none' | 'reigning' | 'ending'
  readonly wanted: PrimaryWanted | undefined
  readonly status: PrimaryStatus | undefined
  readonly others: readonly Candidate[]
  /** This node has resigned and leaves the lease to others until then. */
  readonly restUntilMs: number
  /** As primary: when the successor was named. */
  readonly namedAtMs: number | undefined
}

export type ElectionDecision =
  /** Look again when something changes, or after `wakeInMs`. */
  | { readonly kind: 'wait'; readonly reason: string; readonly wakeInMs?: number }
  | { readonly kind: 'take' }
  /** This node is to take over soon: everything that can be done before is done now. */
  | { readonly kind: 'prepare' }
  /** The lease of a reign of ours that has ended: others shall not have to wait for its expiry. */
  | { readonly kind: 'clear' }
  | { readonly kind: 'name-successor'; readonly node: NodeName | null }
  /** Stop the roles in order and leave the lease to the successor; `wish` is the order this answers. */
  | { readonly kind: 'hand-over'; readonly wish: number | undefined; readonly reason: string }
  | { readonly kind: 'answer'; readonly wish: number; readonly problem: string }

/** Contact of a healthy session is at most about a second old. */
export const FRESH_CONTACT_MS = 1500
/** The named successor alone may take a free lease during this time. */
export const HEAD_START_MS = 1500
/** A node that was told to be secondary, or has resigned, leaves a free lease to others this long. */
export const YIELD_MS = 3000
/** A successor that is not prepared within this time does not become primary by this order. */
export const PREPARE_MS = 5000
/** The same when this daemon is about to end: others take over unprepared then. */
export const STOP_PREPARE_MS = 1500

/** The reigning primary has named this node its successor, or did so last. Gateways and addresses may be shared with it. */
export function isInvited({ self, status, lease, isAble, isStopping }: ElectionSnapshot): boolean {
  // What an earlier primary said does not count any more once another one has the lease.
  const isCurrent = lease === undefined || lease.node === status?.node
  return status?.successor === self && isCurrent && isAble && !isStopping
}

/** The next step of this coordinator. Pure and total; no answer waits for ever. */
export function decideElection(snapshot: ElectionSnapshot): ElectionDecision {
  const { reign, lease } = snapshot
  if (reign === 'ending') return wait('the roles of the last reign are being given up')
  if (reign === 'reigning') return decideReigning(snapshot)
  if (lease === undefined) return decideFree(snapshot)
  if (lease.isMine) return { kind: 'clear' }
  return isInvited(snapshot) ? { kind: 'prepare' } : wait(`${lease.node} is primary`)
}

function wait(reason: string, wakeInMs?: number): ElectionDecision {
  return { kind: 'wait', reason, ...(wakeInMs === undefined ? {} : { wakeInMs }) }
}

/** Nobody holds the lease. Whoever has to let others be first does so for a time only. */
function decideFree(snapshot: ElectionSnapshot): ElectionDecision {
  const { self, nowMs, absentSinceMs, wanted, status, others } = snapshot
  if (snapshot.isStopping) return wait('this daemon is stopping')
  if (!snapshot.isAble) return wait('this node cannot be primary now')
  if (snapshot.contactAgeMs > FRESH_CONTACT_MS) return wait('ZooKeeper was reached again only now', 200)
  const waitedMs = absentSinceMs === undefined ? 0 : nowMs - absentSinceMs
  const successor = status?.successor ?? null
  if (successor === self) return { kind: 'take' }
  const canTakeOver = others.some(({ node, isAble }) => node === successor && isAble)
  if (canTakeOver && waitedMs < HEAD_START_MS) return wait(`${successor} is to take over`, HEAD_START_MS - waitedMs)
  const isYielding = wanted?.not === self || nowMs < snapshot.restUntilMs
  if (isYielding && others.some(({ isAble }) => isAble) && waitedMs < YIELD_MS)
    return wait('another coordinator may take over first', YIELD_MS - waitedMs)
  return { kind: 'take' }
}

function decideReigning(snapshot: ElectionSnapshot): ElectionDecision {
  const { self, wanted, status, isAble, isStopping } = snapshot
  if (!isAble && !isStopping)
    return { kind: 'hand-over', wish: undefined, reason: 'this node is not alive and certified any more' }
  if (isStopping) return decideStopping(snapshot)
  if (wanted !== undefined && wanted.wish > (status?.wishSeen ?? 0)) return decideWish(snapshot, wanted)
  if (status?.successor != null) return { kind: 'name-successor', node: null }
  return wait(`${self} is primary`)
}

/** The best other coordinator for an order; the operator's choice first, then in order of the configuration. */
function bestSuccessor({ wanted, others }: ElectionSnapshot): Candidate | undefined {
  const able = others.filter(({ isAble, node }) => isAble && node !== wanted?.not)
  return able.find(({ node }) => node === wanted?.node) ?? able[0]
}

function decideStopping(snapshot: ElectionSnapshot): ElectionDecision {
  const { nowMs, namedAtMs, status } = snapshot
  const reason = 'this daemon is stopping'
  const named = snapshot.others.find(({ node, isAble }) => node === status?.successor && isAble)
  const target = named ?? bestSuccessor(snapshot)
  if (target === undefined) return { kind: 'hand-over', wish: undefined, reason }
  if (named === undefined || namedAtMs === undefined) return { kind: 'name-successor', node: target.node }
  const leftMs = namedAtMs + STOP_PREPARE_MS - nowMs
  if (target.isPrepared || leftMs <= 0) return { kind: 'hand-over', wish: undefined, reason }
  return wait(`${target.node} prepares to take over`, leftMs)
}

function decideWish(snapshot: ElectionSnapshot, wanted: PrimaryWanted): ElectionDecision {
  const { self, nowMs, namedAtMs, status, others } = snapshot
  const { wish } = wanted
  const isFulfilled = wanted.node === null ? wanted.not !== self : wanted.node === self
  if (isFulfilled) return { kind: 'answer', wish, problem: '' }
  const target = wanted.node === null ? bestSuccessor(snapshot) : others.find(({ node }) => node === wanted.node)
  if (target === undefined && wanted.node === null)
    return { kind: 'answer', wish, problem: 'no other coordinator can be primary now' }
  if (target === undefined) return { kind: 'answer', wish, problem: `${wanted.node} is not a coordinator` }
  if (!target.isAble)
    return { kind: 'answer', wish, problem: `the daemon of ${target.node} does not run, or is not certified` }
  if (status?.successor !== target.node || namedAtMs === undefined) return { kind: 'name-successor', node: target.node }
  if (target.isPrepared) return { kind: 'hand-over', wish, reason: `${wanted.by} asked for it` }
  const leftMs = namedAtMs + PREPARE_MS - nowMs
  if (leftMs > 0) return wait(`${target.node} prepares to take over`, leftMs)
  return { kind: 'answer', wish, problem: `${target.node} did not get ready within ${PREPARE_MS / 1000} s` }
}
