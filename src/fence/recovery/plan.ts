import { isFailedStill, isVmSpec, type VmDocument, type VmSpec, type VmStatus } from '../../model/domain.ts'
import { flushFacts } from '../../model/flush-plan.ts'
import type { NodeName, VmUuid } from '../../model/ids.ts'
import { archOf, bridgesOf, orderOf } from '../../model/move.ts'
import {
  choosePlacement,
  type Placement,
  type PlacementNode,
  placementNodes,
  withPromise,
} from '../../model/placement.ts'
import type { RecoverySnapshot, RecoveryVm } from './snapshot.ts'

/** What is to happen to one VM that a dead node was to run. */
export type RecoveryStep = {
  readonly uuid: VmUuid
  readonly name: string
  readonly reason: string
} & (
  | {
      readonly kind: 'move'
      readonly target: NodeName
      /** Written before the record; undefined: it stays as it is. */
      readonly spec: VmSpec | undefined
      readonly volumes: VmSpec['rbdList']
      readonly status: VmStatus
      /** Undefined: it was on its way there already. */
      readonly placement: Placement | undefined
    }
  /** Runs nowhere: not wanted on, removed, or it fits nowhere. */
  | {
      readonly kind: 'release'
      /** Undefined: it stays as it is. */
      readonly spec: VmSpec | undefined
      readonly volumes: VmSpec['rbdList']
      readonly status: VmStatus
      readonly placement: Placement | undefined
    }
  /** Nobody holds it, so it only needs another placement: whoever that is takes the record by itself. */
  | {
      readonly kind: 'place'
      readonly target: NodeName
      readonly spec: VmSpec
      readonly volumes: VmSpec['rbdList']
      readonly placement: Placement
    }
  /** A live migration is ended first, so that the copy at its target is given up (protocol C8). */
  | { readonly kind: 'end-migration'; readonly status: VmStatus }
  | { readonly kind: 'wait' }
)

/** The VMs whose record names a dead life of the node, then those that wait for the node; most important first. */
export function victimsOf(snapshot: RecoverySnapshot): readonly RecoveryVm[] {
  const stranded = snapshot.vms.filter((vm) => isWaitingFor(snapshot, vm))
  return [...heldByDead(snapshot).sort(byImportance), ...stranded.sort(byImportance)]
}

/** The VMs whose record names a dead life of the node. */
export function heldByDead({ vms, node, deadLives }: RecoverySnapshot): RecoveryVm[] {
  return vms.filter(({ status }) => status.run?.node === node && deadLives.has(status.run.life))
}

/** It waits for the node as long as that is away: moved there before it died, or started since. */
export function isWaitingFor({ node, isAway }: RecoverySnapshot, { document, status }: RecoveryVm): boolean {
  return isAway && isStranded(document, status) && document.node === node
}

/** Wanted on, and held by nobody: it runs nowhere before the node that it is placed on takes its record. */
export function isStranded(document: VmDocument | undefined, { run, ...rest }: VmStatus): document is VmSpec {
  const isWanted = isVmSpec(document) && document.power === 'on' && document.hold === null
  return run === null && isWanted && !isFailedStill(document, { run, ...rest })
}

/** Higher start priority first, then the large ones while there is much room, then the name. */
function byImportance(a: RecoveryVm, b: RecoveryVm): number {
  const [one, other] = [specOf(a), specOf(b)]
  if (one === undefined || other === undefined) return Number(one === undefined) - Number(other === undefined)
  return (
    other.meta.startPriority - one.meta.startPriority ||
    other.memoryMiB - one.memoryMiB ||
    (one.name < other.name ? -1 : 1)
  )
}

function specOf({ document }: RecoveryVm): VmSpec | undefined {
  return isVmSpec(document) ? document : undefined
}

/** Plans the recovery of every victim; each target is charged with what it was promised before (protocol P6). */
export function planRecovery(snapshot: RecoverySnapshot): readonly RecoveryStep[] {
  const facts = snapshot.vms.flatMap((vm) => {
    const spec = specOf(vm)
    return spec === undefined ? [] : [{ spec, status: vm.status }]
  })
  // The report may be older than the proof of life: only a certified node under its present life is a target.
  let nodes: readonly PlacementNode[] = placementNodes(snapshot.nodes, facts).map((node) => ({
    ...node,
    isCertified: node.isCertified && snapshot.targets.has(node.name),
  }))
  return victimsOf(snapshot).map((vm) => {
    const step = planOne(snapshot, vm, nodes)
    if (step.kind !== 'move' && step.kind !== 'place') return step
    const isThere = nodes.some(({ name, vms }) => name === step.target && vms.some(({ uuid }) => uuid === vm.uuid))
    const spec = specOf(vm)
    if (!isThere && spec !== undefined) nodes = withPromise(nodes, step.target, spec)
    return step
  })
}

function planOne(snapshot: RecoverySnapshot, vm: RecoveryVm, nodes: readonly PlacementNode[]): RecoveryStep {
  const { uuid, status } = vm
  const spec = specOf(vm)
  const about = { uuid, name: spec?.name ?? uuid }
  if (vm.problem !== '') return { ...about, kind: 'wait', reason: vm.problem }
  const newer = snapshot.highestSeqs.get(uuid)
  if (newer !== undefined && newer.seq > status.seq) {
    const reason = `node ${newer.node} has seen a newer run record of it (${newer.seq}, ZooKeeper says ${status.seq}): ZooKeeper went backwards`
    return { ...about, kind: 'wait', reason }
  }
  if (spec !== undefined && status.run === null) return planPlace(snapshot, { spec, status }, nodes)
  if (status.migration !== null) {
    const reason = `its move to node ${status.migration.to.node} is given up first`
    return { ...about, kind: 'end-migration', reason, status: { ...status, migration: null } }
  }
  const copy = copyLeft(snapshot, vm, spec)
  if (copy !== undefined) return { ...about, kind: 'wait', reason: `node ${copy} still has a copy of it from its move` }
  if (spec === undefined) return released(snapshot, vm, 'it was removed')
  if (status.run?.holder) return released(snapshot, vm, `job ${status.run.holder} worked on its volumes`)
  if (spec.power !== 'on') return released(snapshot, vm, 'it is wanted off')
  if (spec.hold !== null) return released(snapshot, vm, `it is held by ${spec.hold}`)
  return planStart(snapshot, { spec, status }, nodes)
}

/** The living target of the move that was under way, as long as it has not said that nothing of it is left there. */
function copyLeft(
  { nodes, deadLives }: RecoverySnapshot,
  { arrival }: RecoveryVm,
  spec: VmSpec | undefined,
): NodeName | undefined {
  if (arrival === undefined || spec === undefined || arrival.migrationId !== orderOf(spec).id) return undefined
  if (arrival.state !== 'prepared' && arrival.state !== 'complete') return undefined
  const target = nodes.find((node) => node.spec.name === arrival.node)
  const isLiving = target?.isAlive === true && target.status?.life === arrival.life && !deadLives.has(arrival.life)
  return isLiving ? arrival.node : undefined
}

const NO_TARGET = 'no other node is certified to run VMs'

type Started = { readonly spec: VmSpec; readonly status: VmStatus }

function planStart(snapshot: RecoverySnapshot, vm: Started, nodes: readonly PlacementNode[]): RecoveryStep {
  const { spec, status } = vm
  const about = { uuid: spec.uuid, name: spec.name }
  const { localDisk } = flushFacts(spec.xml)
  if (localDisk !== '') return off(snapshot, vm, `its disk ${localDisk} is on that node only`, undefined)
  if (snapshot.targets.size === 0) return { ...about, kind: 'wait', reason: NO_TARGET }
  const placement = choose(snapshot, spec, nodes)
  const target = placement.choice
  if (target === null && placement.passing.length > 0 && snapshot.mayWait) {
    const what = placement.passing.map(({ node, reason }) => `${node}: ${reason}`).join('; ')
    return { ...about, kind: 'wait', reason: `${what}, which may pass; after ten minutes it is left off` }
  }
  const life = target === null ? undefined : snapshot.targets.get(target)
  if (target === null || life === undefined) return off(snapshot, vm, placement.reason, placement)
  const next: VmStatus = {
    ...cleared(snapshot, status),
    run: { node: target, life, holder: null },
    phase: 'starting',
  }
  const isPlaced = spec.node === target
  const placed = isPlaced && spec.move === null ? undefined : placedAt(spec, target)
  const step = { ...about, kind: 'move' as const, target, spec: placed, volumes: spec.rbdList, status: next }
  return { ...step, reason: placement.reason, placement: isPlaced ? undefined : placement }
}

/** Where it fits nowhere it stays as it is: whoever wanted it on is told, and it starts when there is room or its node is back. */
function planPlace(snapshot: RecoverySnapshot, { spec }: Started, nodes: readonly PlacementNode[]): RecoveryStep {
  const about = { uuid: spec.uuid, name: spec.name }
  const { localDisk } = flushFacts(spec.xml)
  if (localDisk !== '') return { ...about, kind: 'wait', reason: `its disk ${localDisk} is on that node only` }
  if (snapshot.targets.size === 0) return { ...about, kind: 'wait', reason: NO_TARGET }
  const placement = choose(snapshot, spec, nodes)
  const { choice: target, reason } = placement
  if (target === null) return { ...about, kind: 'wait', reason }
  return { ...about, kind: 'place', reason, target, spec: placedAt(spec, target), volumes: spec.rbdList, placement }
}

/** A node that was chosen before, by an operator or by a primary that died in the middle, is kept where that is possible. */
function choose(snapshot: RecoverySnapshot, spec: VmSpec, nodes: readonly PlacementNode[]): Placement {
  const { selector } = spec.meta
  const facts = flushFacts(spec.xml)
  const request = {
    uuid: spec.uuid,
    memoryMiB: spec.memoryMiB,
    vcpus: spec.vcpus,
    nodeLimit: spec.meta.nodeLimit,
    selector: selector === 'none' ? snapshot.defaultSelector : selector,
    antiAffinityGroup: spec.meta.antiAffinityGroup,
    cpu: { arch: archOf(facts) },
    bridges: bridgesOf(facts),
    needsGuestKey: spec.rbdList.length > 0,
    excluded: new Map([[snapshot.node, 'it was fenced']]),
    mustFitNow: true,
  }
  const wanted = choosePlacement(
    request,
    nodes.filter(({ name }) => name === spec.node),
  )
  return spec.node !== snapshot.node && wanted.choice !== null ? wanted : choosePlacement(request, nodes)
}

/** Placed elsewhere for the time being: it remembers its home. */
function placedAt(spec: VmSpec, target: NodeName): VmSpec {
  const home = spec.lastNode ?? (spec.node === target ? null : spec.node)
  return {
    ...spec,
    generation: spec.generation + 1,
    node: target,
    lastNode: home === target ? null : home,
    move: null,
  }
}

/** The status without anything that was true of the dead life's domain. */
function cleared({ wallMs }: RecoverySnapshot, status: VmStatus): VmStatus {
  return {
    ...status,
    seq: status.seq + 1,
    migration: null,
    handedOver: null,
    moveFailure: null,
    failedReason: '',
    startedGeneration: 0,
    vnc: null,
    since: wallMs,
  }
}

function released(snapshot: RecoverySnapshot, vm: RecoveryVm, reason: string): RecoveryStep {
  const status: VmStatus = { ...cleared(snapshot, vm.status), run: null, phase: 'off' }
  const spec = specOf(vm)
  const about = { uuid: vm.uuid, name: spec?.name ?? vm.uuid, volumes: spec?.rbdList ?? [] }
  return { ...about, kind: 'release', reason, spec: undefined, status, placement: undefined }
}

/** It fits nowhere: off, and it starts when its home is taken into service again. */
function off(
  snapshot: RecoverySnapshot,
  { spec, status }: Started,
  reason: string,
  placement: Placement | undefined,
): RecoveryStep {
  const next: VmSpec = {
    ...spec,
    generation: spec.generation + 1,
    power: 'off',
    move: null,
    meta: { ...spec.meta, autostart: true },
  }
  const stopped: VmStatus = {
    ...cleared(snapshot, status),
    run: null,
    phase: 'off',
    observedGeneration: next.generation,
    done: next.wishes,
  }
  const about = { uuid: spec.uuid, name: spec.name, volumes: spec.rbdList }
  return { ...about, kind: 'release', reason, spec: next, status: stopped, placement }
}
