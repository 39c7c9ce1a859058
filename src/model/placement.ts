import { daemonState, domainState, type NodeFacts } from './compat-node.ts'
import type { Candidate } from './decision.ts'
import type { Selector, VmSpec, VmStatus } from './domain.ts'
import type { NodeName, VmUuid } from './ids.ts'
import type { DaemonState, DomainState, Resources } from './node.ts'

/** A VM that is, or will be, on a node. */
export type PlacedVm = {
  readonly uuid: VmUuid
  readonly name: string
  readonly memoryMiB: number
  readonly vcpus: number
  /** Empty: none. */
  readonly antiAffinityGroup: string
  /** It needs its memory there: it runs there, is on its way, or will start there. */
  readonly isOn: boolean
  /** The node's own report counts it already. */
  readonly isReported: boolean
}

/** A node as placement sees it. */
export type PlacementNode = {
  readonly name: NodeName
  /** Undefined: it never reported. */
  readonly daemon: DaemonState | undefined
  readonly isCertified: boolean
  readonly domainState: DomainState | undefined
  readonly arch: string | undefined
  readonly cpuModel: string | undefined
  /** Network bridges it has; undefined: not known. */
  readonly bridges?: readonly string[] | undefined
  /** Its libvirt has the Ceph key of guests. */
  readonly hasGuestKey?: boolean
  readonly resources: Resources | undefined
  /** VMs placed here, held here or on their way here, also those that are off. */
  readonly vms: readonly PlacedVm[]
}

/** What a guest needs of a processor. */
export type CpuNeed = {
  /** Empty: any. */
  readonly arch: string
  /** The guest sees this processor as it is and will arrive running; undefined: any model will do. */
  readonly model?: string | undefined
}

export type PlacementRequest = {
  /** The VM itself, so that it is not counted against itself; undefined: not defined yet. */
  readonly uuid?: VmUuid | undefined
  readonly memoryMiB: number
  readonly vcpus: number
  /** Empty: any node. */
  readonly nodeLimit: readonly NodeName[]
  readonly selector: Exclude<Selector, 'none'>
  /** Empty: none. */
  readonly antiAffinityGroup: string
  readonly cpu: CpuNeed
  /** Bridges its interfaces are plugged into. */
  readonly bridges?: readonly string[]
  /** It has disks in Ceph, which libvirt opens with the key of guests. */
  readonly needsGuestKey?: boolean
  /** Nodes that must not be chosen, each with the reason shown. */
  readonly excluded?: ReadonlyMap<NodeName, string>
  /** True: a node without enough free memory is out. False: it is only taken when no other is left. */
  readonly mustFitNow: boolean
}

/** The choice (null: none) and every candidate with the reason it won or lost, by name. */
export type Placement = {
  readonly choice: NodeName | null
  readonly reason: string
  readonly candidates: readonly Candidate[]
  /** Those that would do but for something that may pass by itself, such as a daemon that is just being started. */
  readonly passing: readonly Candidate[]
}

/** vCPUs a single VM may have on a node: two are left to the host, but one is always possible. */
export function maxVcpus(cpuCount: number): number {
  return Math.max(1, cpuCount - 2)
}

/** Why a VM of this size can never run on the node; undefined when it can. */
export function sizeProblem(memoryMiB: number, vcpus: number, resources: Resources): string | undefined {
  if (memoryMiB >= resources.memoryTotalMiB)
    return `${memoryMiB} MiB of memory is not less than its ${resources.memoryTotalMiB} MiB`
  if (vcpus > maxVcpus(resources.cpuCount))
    return `${vcpus} vCPUs is more than the ${maxVcpus(resources.cpuCount)} possible with its ${resources.cpuCount} CPUs`
  return undefined
}

/** What a node has left when every promise is kept. */
type Room = {
  /** Free now, less what VMs that are still to come will take. */
  readonly freeMiB: number
  /** Not promised to anybody. */
  readonly unpromisedMiB: number
  readonly vcpusPromised: number
  readonly vmCount: number
}

/**
 * A node counts the VMs whose record it holds, as of its last report. Those on their way are added to that; and since a
 * report may be older than a record, the sum over all VMs known to be there counts when it is larger.
 */
function roomOf(node: PlacementNode, resources: Resources, self: VmUuid | undefined): Room {
  const others = node.vms.filter((vm) => vm.uuid !== self)
  const on = others.filter((vm) => vm.isOn)
  const coming = on.filter((vm) => !vm.isReported)
  const sum = (vms: readonly PlacedVm[], of: (vm: PlacedVm) => number) => vms.reduce((total, vm) => total + of(vm), 0)
  const comingMiB = sum(coming, (vm) => vm.memoryMiB)
  const promisedMiB = Math.max(
    resources.memoryProvisionedMiB + comingMiB,
    sum(on, (vm) => vm.memoryMiB),
  )
  return {
    freeMiB: resources.memoryFreeMiB - comingMiB,
    unpromisedMiB: resources.memoryTotalMiB - promisedMiB,
    vcpusPromised: Math.max(
      resources.vcpusAllocated + sum(coming, (vm) => vm.vcpus),
      sum(on, (vm) => vm.vcpus),
    ),
    vmCount: others.length,
  }
}

/** Score of a node by selector; the highest wins. */
const SCORES: Readonly<Record<PlacementRequest['selector'], (room: Room, resources: Resources) => number>> = {
  mem: ({ freeMiB }) => freeMiB,
  memprov: ({ unpromisedMiB }) => unpromisedMiB,
  vcpus: ({ vcpusPromised }) => -vcpusPromised,
  load: (_, { load1 }) => -load1,
  vms: ({ vmCount }) => -vmCount,
}

/** What speaks against a node but its room, the most telling first. isPassing: it may be over any moment. */
function obstacles(request: PlacementRequest, node: PlacementNode) {
  const { daemon, domainState, resources, cpuModel } = node
  const { arch, model } = request.cpu
  const isOtherArch = arch !== '' && node.arch !== undefined && node.arch !== arch
  const isOtherModel = model !== undefined && cpuModel !== undefined && cpuModel !== model
  const missing = request.bridges?.filter((bridge) => node.bridges?.includes(bridge) === false) ?? []
  const isKeyMissing = request.needsGuestKey === true && node.hasGuestKey === false
  const isOutside = request.nodeLimit.length > 0 && !request.nodeLimit.includes(node.name)
  const found: readonly (readonly [reason: string | false | undefined, isPassing: boolean])[] = [
    [request.excluded?.get(node.name), false],
    [isOutside && 'not in the node limit of the VM', false],
    [daemon !== 'run' && `its daemon is in state ${daemon ?? 'unknown'}`, daemon === 'init'],
    [!node.isCertified && 'it is not certified: it may not start VMs now', true],
    [domainState !== 'ready' && `its domain state is ${domainState ?? 'unknown'}`, domainState === 'unflush'],
    [resources === undefined && 'it has not reported its resources', true],
    [isOtherArch && `its processor is ${node.arch}, not ${arch}`, false],
    [isOtherModel && `its processor is ${cpuModel}, and the guest runs on ${model} and sees it as it is`, false],
    [missing.length > 0 && `it has no bridge ${missing.join(', ')}, which the VM is plugged into`, true],
    [isKeyMissing && 'its libvirt has no Ceph key for guests (fault GUEST_SECRET)', true],
    [resources && sizeProblem(request.memoryMiB, request.vcpus, resources), false],
  ]
  return found.flatMap(([reason, isPassing]) => (reason ? [{ reason, isPassing }] : []))
}

type Ranked = {
  readonly candidate: Candidate
  readonly fits: boolean
  readonly neighbours: number
  readonly isPassing: boolean
}

/** Better first. Fitting goes before keeping apart, keeping apart before the score, and the name decides among equals. */
function compareRanked(a: Ranked, b: Ranked): number {
  return (
    Number(b.fits) - Number(a.fits) ||
    a.neighbours - b.neighbours ||
    (b.candidate.score ?? 0) - (a.candidate.score ?? 0) ||
    (a.candidate.node < b.candidate.node ? -1 : 1)
  )
}

function judge(request: PlacementRequest, node: PlacementNode): Ranked {
  const against = obstacles(request, node)
  const room = node.resources && roomOf(node, node.resources, request.uuid)
  const leftMiB = room === undefined ? 0 : Math.floor(Math.min(room.freeMiB, room.unpromisedMiB))
  const fits = leftMiB >= request.memoryMiB
  if (against[0] !== undefined || node.resources === undefined || room === undefined) {
    const candidate = { node: node.name, eligible: false, reason: against[0]?.reason ?? 'unknown', score: null }
    const isPassing = (fits || room === undefined) && against.every((each) => each.isPassing)
    return { candidate, fits: false, neighbours: 0, isPassing }
  }
  const group = request.antiAffinityGroup
  const members =
    group === '' ? [] : node.vms.filter((vm) => vm.antiAffinityGroup === group && vm.uuid !== request.uuid)
  const parts = [fits ? `${leftMiB} MiB free` : `${Math.max(0, leftMiB)} MiB free, ${request.memoryMiB} MiB needed`]
  if (members.length > 0) parts.push(`beside ${membersText(members)} of group ${group}`)
  const score = SCORES[request.selector](room, node.resources)
  const candidate = {
    node: node.name,
    eligible: fits || !request.mustFitNow,
    reason: parts.join(', '),
    score: Math.round(score * 100) / 100,
  }
  return { candidate, fits, neighbours: members.length, isPassing: false }
}

function membersText(members: readonly PlacedVm[]): string {
  const names = members.map(({ name }) => name).sort()
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
}

/**
 * Chooses a node for a VM: it must run, be certified and ready, lie in the limit, have the right processor and be large
 * enough after every promise made; VMs of one group are kept apart where that is possible; the selector decides among the
 * rest, the name among equals. Pure, so that the same answer can be shown, tested and simulated.
 */
export function choosePlacement(request: PlacementRequest, nodes: readonly PlacementNode[]): Placement {
  const byName = [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1))
  const judged = byName.map((node) => judge(request, node))
  const candidates = judged.map(({ candidate }) => candidate)
  const passing = judged.flatMap(({ candidate, isPassing }) => (isPassing ? [candidate] : []))
  const [best, next] = judged.filter(({ candidate }) => candidate.eligible).sort(compareRanked)
  if (best === undefined) return { choice: null, reason: noneReason(candidates), candidates, passing }
  const { node, reason } = best.candidate
  return { choice: node, reason: `${whyBest(request, best, next)}: ${reason}`, candidates, passing }
}

function whyBest(request: PlacementRequest, best: Ranked, next: Ranked | undefined): string {
  if (next === undefined) return 'the only node possible'
  if (best.fits !== next.fits) return 'the only node with enough memory'
  if (best.neighbours !== next.neighbours) return `keeps group ${request.antiAffinityGroup} apart`
  return best.candidate.score === next.candidate.score
    ? `best by ${request.selector}, first by name`
    : `best by ${request.selector}`
}

function noneReason(candidates: readonly Candidate[]): string {
  if (candidates.length === 0) return 'the cluster has no nodes'
  return candidates.map(({ node, reason }) => `${node}: ${reason}`).join('; ')
}

/** A VM as the directory knows it. */
export type VmFacts = { readonly spec: VmSpec; readonly status: VmStatus }

/** A VM needs memory where it is held, and where it will be. */
function attachments({ spec, status }: VmFacts): readonly { readonly node: NodeName; readonly isOn: boolean }[] {
  const isWanted = spec.power === 'on' && spec.hold === null
  const held = status.run?.holder === null ? status.run.node : undefined
  const places = new Map<NodeName, boolean>([[spec.node, isWanted]])
  if (status.migration !== null) places.set(status.migration.to.node, true)
  if (held !== undefined) places.set(held, true)
  return [...places].map(([node, isOn]) => ({ node, isOn }))
}

/**
 * The nodes as placement sees them, with every promise the directory knows of: a node without proof of life counts as
 * dead, whatever it last reported; a VM counts where it runs, where it is to run, and where it is being copied to.
 */
export function placementNodes(nodes: readonly NodeFacts[], vms: Iterable<VmFacts>): readonly PlacementNode[] {
  const placed = new Map<NodeName, PlacedVm[]>(nodes.map(({ spec }) => [spec.name, []]))
  const reports = new Map(nodes.map(({ spec, status }) => [spec.name, new Set(status?.runningDomains)]))
  for (const vm of vms) {
    const { spec, status } = vm
    for (const { node, isOn } of attachments(vm)) {
      const isHeld = status.run?.node === node && status.run.holder === null
      const isReported = isHeld || reports.get(node)?.has(spec.uuid) === true
      placed.get(node)?.push({ ...placedVm(spec), isOn, isReported })
    }
  }
  return nodes.map((node) => ({
    name: node.spec.name,
    daemon: node.status === undefined ? undefined : daemonState(node),
    isCertified: node.status?.certified === true,
    domainState: node.status === undefined ? undefined : domainState(node),
    arch: node.status?.arch,
    cpuModel: node.status?.cpuModel,
    bridges: node.status?.bridges,
    hasGuestKey: node.status?.faults.some(({ id }) => id === 'GUEST_SECRET') !== true,
    resources: node.status?.resources,
    vms: placed.get(node.spec.name) ?? [],
  }))
}

/**
 * The nodes after a VM was promised to one of them, for whoever places several VMs before the directory knows of the
 * first. The VM must not be there yet.
 */
export function withPromise(
  nodes: readonly PlacementNode[],
  to: NodeName,
  vm: Pick<VmSpec, 'uuid' | 'name' | 'memoryMiB' | 'vcpus' | 'meta'>,
): readonly PlacementNode[] {
  const placed: PlacedVm = { ...placedVm(vm), isOn: true, isReported: false }
  return nodes.map((node) => (node.name === to ? { ...node, vms: [...node.vms, placed] } : node))
}

function placedVm({
  uuid,
  name,
  memoryMiB,
  vcpus,
  meta,
}: Pick<VmSpec, 'uuid' | 'name' | 'memoryMiB' | 'vcpus' | 'meta'>) {
  return { uuid, name, memoryMiB, vcpus, antiAffinityGroup: meta.antiAffinityGroup }
}
