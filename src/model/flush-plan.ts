/**
 * The plan of emptying a node and of filling it again. Pure: the node carries it out, the API shows it beforehand.
 *
 * Order: higher start priority first, larger memory first, then the name. When the other nodes cannot take everything, the
 * places go to what matters most; and of equals the large ones go first, because they fit only while there is much room.
 */
import type { Selector, VmSpec } from './domain.ts'
import { parseDomainXml } from './domain-xml.ts'
import { hasCode } from './errors.ts'
import type { FlushMethod } from './flush.ts'
import type { NodeName, VmUuid } from './ids.ts'
import {
  chooseTarget,
  type MoveFacts,
  type MovePlan,
  type MoveWish,
  moveFacts,
  planMove,
  whereabouts,
  withMove,
} from './move.ts'
import { type Placement, type PlacementNode, type VmFacts, withPromise } from './placement.ts'

/** What of a definition decides how its VM leaves a node. */
export type FlushFacts = MoveFacts & {
  /** A disk that no other node has; empty: none. */
  readonly localDisk: string
}

/** Reads the definition of a VM; one that cannot be read hinders nothing. */
export function flushFacts(xml: string): FlushFacts {
  return { ...moveFacts(xml), localDisk: localDiskOf(xml) }
}

function localDiskOf(xml: string): string {
  try {
    return parseDomainXml(xml).disks.find(({ type, name }) => type !== 'rbd' && name !== '')?.name ?? ''
  } catch (error) {
    if (!hasCode(error, 'PVC_XML_INVALID')) throw error
    return ''
  }
}

/** What a plan is made from, beside the VMs. */
export type FlushContext = {
  readonly self: NodeName
  readonly nodes: readonly PlacementNode[]
  readonly defaultSelector: Exclude<Selector, 'none'>
  /** {@link flushFacts} of the definition of a VM, perhaps remembered. */
  readonly factsOf: (spec: VmSpec) => FlushFacts
  /** Begins the id of every order of this plan. */
  readonly runId: string
}

/** A VM to be planned, and the targets that failed for it. */
export type FlushTask = VmFacts & { readonly tried: readonly NodeName[] }

/** What is to happen to a VM, and the specification that makes it happen. */
export type PlannedStep = {
  readonly vm: VmUuid
  readonly name: string
  readonly target: NodeName | null
  readonly method: FlushMethod
  readonly reason: string
  readonly tried: readonly NodeName[]
  /** Null: nothing can be written now. */
  readonly next: VmSpec | null
  /** The choice behind it; undefined: there was none to make. */
  readonly placement: Placement | undefined
}

/** The order of a plan. */
export function compareTasks({ spec: a }: VmFacts, { spec: b }: VmFacts): number {
  return b.meta.startPriority - a.meta.startPriority || b.memoryMiB - a.memoryMiB || (a.name < b.name ? -1 : 1)
}

/**
 * Plans the emptying of a node. Each VM is given to the best target after everything promised before it; one with
 * nowhere to go is shut down with autostart, so that it comes back when the node is ready.
 */
export function planFlush(tasks: readonly FlushTask[], context: FlushContext): readonly PlannedStep[] {
  return planInOrder(tasks, context, planLeaving)
}

/**
 * Plans the filling of a node: VMs away from home come back, VMs with autostart start. One that does not fit stays
 * where it is.
 */
export function planReady(tasks: readonly FlushTask[], context: FlushContext): readonly PlannedStep[] {
  const { self, nodes } = context
  // It takes its own VMs before it takes others.
  const open = nodes.map((node) => (node.name === self ? { ...node, domainState: 'ready' as const } : node))
  return planInOrder(tasks, { ...context, nodes: open }, planReturn)
}

type PlanOne = (task: FlushTask, context: FlushContext) => PlannedStep

function planInOrder(tasks: readonly FlushTask[], context: FlushContext, planOne: PlanOne): readonly PlannedStep[] {
  let { nodes } = context
  return [...tasks].sort(compareTasks).map((task) => {
    const planned = planOne(task, { ...context, nodes })
    const isThere = nodes.some(
      ({ name, vms }) => name === planned.target && vms.some(({ uuid }) => uuid === planned.vm),
    )
    if (planned.target !== null && planned.next?.power === 'on' && !isThere) {
      nodes = withPromise(nodes, planned.target, task.spec)
    } else if (planned.next?.power === 'on' && task.spec.power !== 'on' && planned.target !== null) {
      nodes = promisedOn(nodes, planned.target, planned.vm)
    }
    return planned
  })
}

/** The VM was off there, and will be on. */
function promisedOn(nodes: readonly PlacementNode[], to: NodeName, uuid: VmUuid): readonly PlacementNode[] {
  return nodes.map((node) =>
    node.name === to ? { ...node, vms: node.vms.map((vm) => (vm.uuid === uuid ? { ...vm, isOn: true } : vm)) } : node,
  )
}

function planned(task: FlushTask, own: Omit<PlannedStep, 'vm' | 'name' | 'tried' | 'placement'>): PlannedStep {
  const { spec, tried } = task
  return { vm: spec.uuid, name: spec.name, tried, placement: undefined, ...own }
}

/** Not only one per VM: libvirt and people meet the orders of many VMs at once. */
function orderIdOf(runId: string, { uuid, generation }: VmSpec): string {
  return `${runId}-${uuid.slice(0, 8)}-${generation + 1}`
}

/** The specification of a VM that stays where it is, whatever was on its way. */
export function stayed(vm: VmFacts): VmSpec {
  const { spec } = vm
  const { node, home } = whereabouts(vm)
  return { ...spec, generation: spec.generation + 1, node, lastNode: home === node ? null : home, move: null }
}

function planLeaving(task: FlushTask, context: FlushContext): PlannedStep {
  const { spec, tried } = task
  const { self, runId } = context
  const { node: here, home } = whereabouts(task)
  // On its way to the node that is to be empty, it stays where it runs; if that one is emptied too, it sees to it.
  if (task.status.run !== null && here !== self)
    return planned(task, { target: here, method: 'place', reason: 'stays where it is', next: stayed(task) })
  const facts = context.factsOf(spec)
  const wish: MoveWish = {
    id: orderIdOf(runId, spec),
    action: 'migrate',
    target: undefined,
    isForced: true,
    isLiveOnly: false,
    policy: {},
  }
  const nowhere = (reason: string, placement?: Placement): PlannedStep => {
    const placed = { generation: spec.generation + 1, node: self, lastNode: home === self ? null : home, move: null }
    const next: VmSpec = { ...spec, ...placed, power: 'off', meta: { ...spec.meta, autostart: true } }
    return { ...planned(task, { target: null, method: 'shutdown', reason, next }), placement }
  }
  if (facts.localDisk !== '') return nowhere(`its disk ${facts.localDisk} is on this node only`)
  const plan = tryPlanMove(task, facts, wish)
  if (typeof plan === 'string') return nowhere(plan)
  const ruledOut = new Map([[self, 'it is being emptied']])
  const { nodes, defaultSelector } = context
  const choose = (excluded: ReadonlyMap<NodeName, string>) =>
    chooseTarget(task, facts, plan, { nodes, defaultSelector, excluded })
  const placement = choose(new Map([...ruledOut, ...tried.map((node): [NodeName, string] => [node, 'it failed'])]))
  if (placement.choice === null) {
    if (tried.length === 0 || choose(ruledOut).choice === null) return nowhere(othersText(self, placement), placement)
    return planned(task, { target: null, method: methodOf(plan), reason: 'every possible target failed', next: null })
  }
  // Only the last possible target may cost the guest its run.
  const isLast = placement.candidates.filter(({ eligible }) => eligible).length === 1
  const order = { ...wish, isLiveOnly: plan.way === 'live-or-shutdown' && !isLast }
  const next = withMove(spec, plan, placement.choice, order)
  const { choice: target, reason } = placement
  return { ...planned(task, { target, method: methodOf(plan), reason, next }), placement }
}

/** Why no other node can take the VM. */
function othersText(self: NodeName, { candidates }: Placement): string {
  const others = candidates.filter(({ node }) => node !== self)
  return others.length === 0
    ? 'there is no other node'
    : others.map(({ node, reason }) => `${node}: ${reason}`).join('; ')
}

function methodOf({ way }: MovePlan): FlushMethod {
  if (way === 'live' || way === 'live-or-shutdown') return 'live'
  return way === 'shutdown' ? 'shutdown-move' : 'place'
}

/** The plan of a move, or why there can be none. */
function tryPlanMove(task: FlushTask, facts: MoveFacts, wish: MoveWish): MovePlan | string {
  try {
    return planMove(task, facts, wish)
  } catch (error) {
    if (!hasCode(error, 'PVC_STATE_REFUSED', 'PVC_OBJECT_CONFLICT')) throw error
    return error.message
  }
}

function planReturn(task: FlushTask, context: FlushContext): PlannedStep {
  const { spec } = task
  const { self, runId, nodes, defaultSelector } = context
  if (spec.node === self) return planStart(task, context)
  const wish: MoveWish = {
    id: orderIdOf(runId, spec),
    action: 'unmigrate',
    target: self,
    isForced: true,
    isLiveOnly: false,
    policy: {},
  }
  const stays = (reason: string, placement?: Placement): PlannedStep => {
    return { ...planned(task, { target: null, method: 'wait', reason, next: null }), placement }
  }
  if (whereabouts(task).node === self)
    return planned(task, { target: self, method: 'place', reason: 'has not left yet', next: stayed(task) })
  const facts = context.factsOf(spec)
  const plan = tryPlanMove(task, facts, wish)
  if (typeof plan === 'string') return stays(plan)
  const started = withAutostart(spec)
  const isStarted = started !== spec
  const subject = { ...task, spec: started }
  const placement = chooseTarget(subject, facts, plan, { nodes, defaultSelector })
  if (placement.choice === null) return stays(placement.reason, placement)
  const next = { ...withMove(started, plan, self, wish), generation: spec.generation + 1 }
  const reason = isStarted ? 'comes home and starts' : 'comes home'
  return { ...planned(task, { target: self, method: isStarted ? 'start' : methodOf(plan), reason, next }), placement }
}

/** The specification of a VM that is off and is to start; the same one when it is not. Its autostart is used up. */
function withAutostart(spec: VmSpec): VmSpec {
  if (!hasAutostart(spec)) return spec
  const meta = { ...spec.meta, autostart: false }
  const wishes = { ...spec.wishes, start: spec.wishes.start + 1 }
  return { ...spec, generation: spec.generation + 1, power: 'on', wishes, meta }
}

/** True when the VM is off and its autostart would start it. */
export function hasAutostart({ meta, power, hold }: VmSpec): boolean {
  return meta.autostart && power === 'off' && hold === null
}

function planStart(task: FlushTask, context: FlushContext): PlannedStep {
  const { spec } = task
  const { self, nodes, defaultSelector } = context
  const plan: MovePlan = { from: self, home: spec.lastNode, target: self, way: 'stay', givenUp: undefined }
  const next = withAutostart(spec)
  const placement = chooseTarget({ ...task, spec: next }, context.factsOf(spec), plan, { nodes, defaultSelector })
  if (placement.choice !== null)
    return { ...planned(task, { target: self, method: 'start', reason: 'autostart', next }), placement }
  return { ...planned(task, { target: null, method: 'wait', reason: placement.reason, next: null }), placement }
}

/** Whether emptying `self` concerns this VM: it runs or starts there, is about to, or its volumes are worked on there. */
export function isToLeave({ spec, status }: VmFacts, self: NodeName): boolean {
  if (status.run?.node === self) return true
  return spec.node === self && spec.power === 'on' && spec.hold === null
}

/** What keeps a VM from being moved by anybody now; empty: nothing. */
export function hindranceOf({ spec, status }: VmFacts): string {
  if (status.run !== null && status.run.holder !== null) return `job ${status.run.holder} works on its volumes`
  return spec.hold === null ? '' : `it is held by ${spec.hold}`
}

/** Whether filling `self` concerns this VM: it is away from home, or waits for its start. */
export function isToReturn({ spec }: VmFacts, self: NodeName): boolean {
  if (spec.lastNode === self && spec.node !== self) return true
  return hasAutostart(spec) && (spec.node === self || spec.lastNode === self)
}
