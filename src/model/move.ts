import type { MoveOrder, MovePolicy, Selector, VmSpec } from './domain.ts'
import { type DomainFacts, parseDomainXml } from './domain-xml.ts'
import { PvcError } from './errors.ts'
import type { NodeName } from './ids.ts'
import { type CpuNeed, choosePlacement, type Placement, type PlacementNode, type VmFacts } from './placement.ts'

/** The rules of moving a VM: what may be asked, what is written, and where it can go. Pure, shared by API and nodes. */

export type MoveAction = MoveOrder['kind']

/** What is asked for. */
export type MoveWish = {
  /** Id of the order that carries it out. */
  readonly id: string
  readonly action: MoveAction
  /** Undefined: home for an unmigrate, otherwise chosen by the VM's selector. */
  readonly target: NodeName | undefined
  /** Leaves a home that was kept, a hold or a move under way alone no longer. */
  readonly isForced: boolean
  /** Never shut the guest down for it. */
  readonly isLiveOnly: boolean
  readonly policy: MovePolicy
}

/** Where a VM is and where it goes. */
export type Whereabouts = {
  /** The node that runs it, or the one it is placed on while it is off. */
  readonly node: NodeName
  /** Where it returns to; null: it is at home. */
  readonly home: NodeName | null
  /** Undefined: it is not moving. */
  readonly goingTo: NodeName | undefined
  /** Why the last order failed, so that it stayed here; empty: none did. */
  readonly failure: string
}

/** The order behind the present placement; a placement without one counts as an order of its own. */
export function orderOf(spec: VmSpec): MoveOrder {
  return spec.move ?? { id: `generation-${spec.generation}`, kind: 'move', isLiveOnly: false, policy: {} }
}

/** Reads wish and fact together: an order that failed for good is as if it had not been given. */
export function whereabouts({ spec, status }: VmFacts): Whereabouts {
  const held = status.run?.holder === null ? status.run.node : undefined
  if (held === undefined || held === spec.node) {
    return { node: spec.node, home: spec.lastNode, goingTo: undefined, failure: '' }
  }
  if (!isWantedOn(spec)) return { node: held, home: spec.lastNode, goingTo: undefined, failure: '' }
  const home = homeBefore(spec, held)
  const failed = status.moveFailure?.orderId === orderOf(spec).id && status.moveFailure.isFinal
  return failed
    ? { node: held, home, goingTo: undefined, failure: status.moveFailure?.reason ?? '' }
    : { node: held, home, goingTo: spec.node, failure: '' }
}

function isWantedOn(spec: VmSpec): boolean {
  return spec.power === 'on' && spec.hold === null
}

function homeBefore(spec: VmSpec, held: NodeName): NodeName | null {
  const { kind, homeBefore: kept } = orderOf(spec)
  if (kept !== undefined) return kept
  if (kind === 'unmigrate') return spec.node
  if (kind === 'move') return null
  return spec.lastNode === held ? null : spec.lastNode
}

/** How a VM gets to its new node. place: nothing runs, so only the placement is written. stay: it is there already. */
export type MoveWay = 'stay' | 'place' | 'live' | 'live-or-shutdown' | 'shutdown'

/** A wish that may be carried out, before its target is chosen. */
export type MovePlan = {
  readonly from: NodeName
  readonly home: NodeName | null
  /** Undefined: to be chosen. */
  readonly target: NodeName | undefined
  readonly way: MoveWay
  /** A node given up as target by this wish. */
  readonly givenUp: NodeName | undefined
}

/** What of a definition decides where its guest can go. */
export type MoveFacts = Pick<DomainFacts, 'arch' | 'isEmulated' | 'isCpuPassedThrough' | 'liveObstacles' | 'networks'>

/** A stored definition that cannot be read must not keep its VM from being moved. */
export function moveFacts(xml: string): MoveFacts {
  try {
    return parseDomainXml(xml)
  } catch {
    return { arch: '', isEmulated: false, isCpuPassedThrough: false, liveObstacles: [], networks: [] }
  }
}

function refuse(spec: VmSpec, why: string): PvcError {
  return new PvcError('PVC_STATE_REFUSED', `VM '${spec.name}' ${why}`)
}

/**
 * Checks a wish against where the VM is.
 * @throws PVC_STATE_REFUSED; PVC_OBJECT_CONFLICT when another move is under way and `isForced` does not supersede it
 */
export function planMove(vm: VmFacts, facts: MoveFacts, wish: MoveWish): MovePlan {
  const { spec } = vm
  const where = whereabouts(vm)
  if (spec.hold !== null && !wish.isForced) throw refuse(spec, `is held by ${spec.hold}; this needs force`)
  if (where.goingTo !== undefined && !wish.isForced) throw alreadyMoving(vm, where.goingTo)
  const target = wish.action === 'unmigrate' ? unmigrateTarget(spec, where, wish) : wish.target
  if (wish.action === 'migrate' && where.home !== null && !wish.isForced)
    throw refuse(spec, `is migrated already, from node '${where.home}'; with force it moves on and keeps that home`)
  const plan = { from: where.node, home: where.home, target, givenUp: where.goingTo }
  if (target !== where.node) return { ...plan, way: wayOf(vm, facts, wish) }
  // Back to where it runs: makes the place permanent, or gives up a move that is under way or has failed.
  const isNews = spec.node !== where.node || (wish.action === 'move' && where.home !== null)
  if (!isNews) throw refuse(spec, `is on node '${target}' already`)
  return { ...plan, way: 'stay' }
}

function unmigrateTarget(spec: VmSpec, where: Whereabouts, wish: MoveWish): NodeName {
  const isLeavingHome = where.goingTo !== undefined && where.home === null && spec.lastNode !== null
  const home = isLeavingHome ? spec.lastNode : where.home
  if (home === null) throw refuse(spec, 'is not migrated')
  if (wish.target === undefined || wish.target === home) return home
  throw refuse(spec, `returns to its home, node '${home}'; use move or migrate for another`)
}

/** What a second wish is told of the first. */
function alreadyMoving({ spec, status }: VmFacts, goingTo: NodeName): PvcError {
  const progress = status.migration?.progress
  const soFar = progress
    ? ` (${Math.floor(progress.percent)} % copied, ${Math.ceil(progress.remainingMiB)} MiB left)`
    : ''
  const message = `VM '${spec.name}' is on its way to node '${goingTo}'${soFar}; cancel that, or supersede it with force`
  return new PvcError('PVC_OBJECT_CONFLICT', message, { details: { version: spec.generation } })
}

function wayOf({ spec, status }: VmFacts, { liveObstacles }: MoveFacts, { isLiveOnly }: MoveWish): MoveWay {
  if (!isWantedOn(spec) || status.run?.holder !== null) return 'place'
  const { migrationMethod } = spec.meta
  if (isLiveOnly || migrationMethod === 'live') {
    if (liveObstacles.length === 0) return 'live'
    throw refuse(spec, `cannot be moved live because of ${liveObstacles.join(', ')}`)
  }
  return migrationMethod === 'shutdown' || liveObstacles.length > 0 ? 'shutdown' : 'live-or-shutdown'
}

/** What a choice needs beside the VM. */
export type ChoiceContext = {
  readonly nodes: readonly PlacementNode[]
  readonly defaultSelector: Exclude<Selector, 'none'>
  /** More nodes that must not be chosen, each with the reason shown. */
  readonly excluded?: ReadonlyMap<NodeName, string>
}

/**
 * Chooses where a planned move goes, or judges the target it names. A guest that sees its node's processor as it is goes
 * to an equal one where that is possible, because only there it need not be shut down.
 */
export function chooseTarget(vm: VmFacts, facts: MoveFacts, plan: MovePlan, context: ChoiceContext): Placement {
  const { target, way } = plan
  const nodes = target === undefined ? context.nodes : context.nodes.filter(({ name }) => name === target)
  const excluded = new Map(context.excluded)
  if (target === undefined && plan.givenUp !== undefined) excluded.set(plan.givenUp, 'the move given up goes there')
  if (way !== 'stay') excluded.set(plan.from, 'the VM is there now')
  const { spec } = vm
  const { selector } = spec.meta
  const request = {
    uuid: spec.uuid,
    memoryMiB: spec.memoryMiB,
    vcpus: spec.vcpus,
    nodeLimit: spec.meta.nodeLimit,
    selector: selector === 'none' ? context.defaultSelector : selector,
    antiAffinityGroup: spec.meta.antiAffinityGroup,
    excluded,
    mustFitNow: isWantedOn(spec),
    // One that is off may be placed first and get its networks later.
    bridges: isWantedOn(spec) ? bridgesOf(facts) : [],
    needsGuestKey: isWantedOn(spec) && spec.rbdList.length > 0,
  }
  const arch = archOf(facts)
  const model = modelOf(facts, plan, context.nodes)
  const placement = choosePlacement({ ...request, cpu: { arch, model } }, nodes)
  if (placement.choice !== null || way !== 'live-or-shutdown' || model === undefined) return placement
  return choosePlacement({ ...request, cpu: { arch } }, nodes)
}

/** Bridges the interfaces of a guest are plugged into. */
export function bridgesOf({ networks }: MoveFacts): readonly string[] {
  return [...new Set(networks.flatMap(({ type, source }) => (type === 'bridge' && source !== '' ? [source] : [])))]
}

/** What a definition needs of any processor it starts on. */
export function archOf({ arch, isEmulated }: MoveFacts): CpuNeed['arch'] {
  return isEmulated ? '' : arch
}

function modelOf(facts: MoveFacts, plan: MovePlan, nodes: readonly PlacementNode[]): string | undefined {
  const isLive = plan.way === 'live' || plan.way === 'live-or-shutdown'
  if (!isLive || !facts.isCpuPassedThrough || facts.isEmulated) return undefined
  return nodes.find(({ name }) => name === plan.from)?.cpuModel
}

/** The specification with the order written into it. */
export function withMove(spec: VmSpec, plan: MovePlan, target: NodeName, wish: MoveWish): VmSpec {
  const next = { ...spec, generation: spec.generation + 1, node: target }
  if (plan.way === 'stay') return { ...next, lastNode: wish.action === 'migrate' ? plan.home : null, move: null }
  const home = wish.action === 'migrate' ? (plan.home ?? plan.from) : null
  const { id, action: kind, isLiveOnly, policy } = wish
  // Also for a VM that does not run yet: its start may be under way where it was.
  const move = isWantedOn(spec) ? { id, kind, isLiveOnly, policy, homeBefore: plan.home } : null
  return { ...next, lastNode: home === target ? null : home, move }
}

/**
 * The specification with a move taken back that is under way or has failed: the VM stays where it runs.
 * @throws PVC_STATE_REFUSED when it is not moving
 */
export function withoutMove(vm: VmFacts): VmSpec {
  const { spec } = vm
  const { node, home } = whereabouts(vm)
  if (node === spec.node) throw refuse(spec, 'is not moving')
  return { ...spec, generation: spec.generation + 1, node, lastNode: home, move: null }
}
