import type { Decision } from './cluster.ts'
import type { Selector } from './domain.ts'
import type { NodeName } from './ids.ts'
import type { DaemonState, DomainState, Resources } from './node.ts'

/** A node as placement sees it. */
export type PlacementNode = {
  readonly name: NodeName
  /** Undefined: it never reported. */
  readonly daemon: DaemonState | undefined
  readonly domainState: DomainState | undefined
  readonly resources: Resources | undefined
  readonly vmCount: number
}

export type PlacementRequest = {
  readonly memoryMiB: number
  readonly vcpus: number
  /** Empty: any node. */
  readonly nodeLimit: readonly NodeName[]
  readonly selector: Exclude<Selector, 'none'>
  /** Nodes that must not be chosen, each with the reason shown. */
  readonly excluded?: ReadonlyMap<NodeName, string>
  /** Memory promised on a node beyond what it reports, in MiB. */
  readonly reservedMiB?: ReadonlyMap<NodeName, number>
  /** True: a node without enough free memory now is out. False: it is only taken when no other is left. */
  readonly mustFitNow: boolean
}

export type Candidate = Decision['candidates'][number]

/** The choice (null: none) and every candidate with the reason it won or lost. */
export type Placement = {
  readonly choice: NodeName | null
  readonly reason: string
  readonly candidates: readonly Candidate[]
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

/** Memory that can still be given to guests: free now, and not promised. */
function availableMiB(resources: Resources, reservedMiB: number): number {
  const unpromised = resources.memoryTotalMiB - resources.memoryProvisionedMiB
  return Math.min(resources.memoryFreeMiB, unpromised) - reservedMiB
}

/** Score of a node by selector; the highest wins. */
function score(selector: PlacementRequest['selector'], node: PlacementNode, resources: Resources): number {
  switch (selector) {
    case 'mem':
      return resources.memoryFreeMiB
    case 'memprov':
      return resources.memoryTotalMiB - resources.memoryProvisionedMiB
    case 'vcpus':
      return -resources.vcpusAllocated
    case 'load':
      return -resources.load1
    case 'vms':
      return -node.vmCount
  }
}

function exclusion(request: PlacementRequest, node: PlacementNode): string | undefined {
  const excluded = request.excluded?.get(node.name)
  if (excluded !== undefined) return excluded
  if (request.nodeLimit.length > 0 && !request.nodeLimit.includes(node.name)) return 'not in the node limit of the VM'
  if (node.daemon !== 'run') return `its daemon is in state ${node.daemon ?? 'unknown'}`
  if (node.domainState !== 'ready') return `its domain state is ${node.domainState ?? 'unknown'}`
  if (node.resources === undefined) return 'it has not reported its resources'
  return sizeProblem(request.memoryMiB, request.vcpus, node.resources)
}

/**
 * Chooses a node for a VM: it must run, be ready, lie in the limit and be large enough; the selector decides among the
 * rest, the name among equals. Pure, so that the same answer can be shown, tested and simulated.
 */
export function choosePlacement(request: PlacementRequest, nodes: readonly PlacementNode[]): Placement {
  const candidates: Candidate[] = []
  const ranked: { node: NodeName; fits: boolean; score: number; candidate: Candidate }[] = []
  for (const node of [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const reason = exclusion(request, node)
    if (reason !== undefined || node.resources === undefined) {
      candidates.push({ node: node.name, eligible: false, reason: reason ?? 'unknown', score: null })
      continue
    }
    const freeMiB = availableMiB(node.resources, request.reservedMiB?.get(node.name) ?? 0)
    const fits = freeMiB >= request.memoryMiB
    const candidate: Candidate = {
      node: node.name,
      eligible: fits || !request.mustFitNow,
      reason: fits ? `${freeMiB} MiB free` : `${freeMiB} MiB free, ${request.memoryMiB} MiB needed`,
      score: score(request.selector, node, node.resources),
    }
    candidates.push(candidate)
    if (candidate.eligible) ranked.push({ node: node.name, fits, score: candidate.score ?? 0, candidate })
  }
  ranked.sort((a, b) => Number(b.fits) - Number(a.fits) || b.score - a.score || (a.node < b.node ? -1 : 1))
  const best = ranked[0]
  if (best === undefined) return { choice: null, reason: noneReason(candidates), candidates }
  return { choice: best.node, reason: `best by ${request.selector}: ${best.candidate.reason}`, candidates }
}

function noneReason(candidates: readonly Candidate[]): string {
  if (candidates.length === 0) return 'the cluster has no nodes'
  return candidates.map(({ node, reason }) => `${node}: ${reason}`).join('; ')
}
