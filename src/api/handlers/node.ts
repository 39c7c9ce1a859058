import type { nodeRoutes } from '../../contract/node.ts'
import { compatNode, coordinatorState, daemonState, domainState, type NodeFacts } from '../../model/compat-node.ts'
import type { FenceReach } from '../../model/power.ts'
import { orderCoordinatorState, primaryStatus } from '../../operations/coordinator.ts'
import { runningReaches } from '../../operations/node-fence-test.ts'
import { eachVm, primaryNode, readNodes, readVm, requireNode } from '../../operations/view.ts'
import type { ApiDeps, Handlers } from '../handler.ts'

/** A node as clients see it, with the names of its VMs. */
function shown(deps: ApiDeps, facts: NodeFacts, reaches: readonly FenceReach[]) {
  const node = { ...facts, reaches }
  return compatNode(node, primaryNode(deps.index), runningNames(deps, node), deps.clock.wallMs())
}

/** A VM the API does not know keeps its UUID. A node that runs too many to list them all leaves it to their records. */
function runningNames({ index }: ApiDeps, { spec, status }: NodeFacts): readonly string[] {
  const uuids = status?.runningDomains ?? []
  if (uuids.length === (status?.domainsCount ?? 0))
    return uuids.map((uuid) => readVm(index, uuid)?.spec.value.name ?? uuid)
  return [...eachVm(index)].filter((vm) => vm.status.run?.node === spec.name).map((vm) => vm.spec.value.name)
}

export const nodeHandlers = {
  nodeList: ({ deps }, filter) => {
    const reaches = runningReaches(deps.index)
    const nodes = readNodes(deps.index)
      .filter(({ spec }) => filter.limit === undefined || filter.limit.test(spec.name))
      .map((node) => shown(deps, node, reaches))
    return nodes.filter(
      (node) =>
        (filter.daemon_state === undefined || node.daemon_state === filter.daemon_state) &&
        (filter.coordinator_state === undefined || node.coordinator_state === filter.coordinator_state) &&
        (filter.domain_state === undefined || node.domain_state === filter.domain_state),
    )
  },
  nodeInfo: ({ deps }, { node }) => [shown(deps, requireNode(deps.index, node), runningReaches(deps.index))],
  nodeDaemonState: ({ deps }, { node }) => ({ name: node, daemon_state: daemonState(requireNode(deps.index, node)) }),
  nodeCoordinatorState: ({ deps }, { node }) => ({
    name: node,
    coordinator_state: coordinatorState(requireNode(deps.index, node), primaryNode(deps.index)),
    wish_seen: primaryStatus(deps.index)?.wishSeen ?? 0,
    wish_problem: primaryStatus(deps.index)?.wishProblem ?? '',
  }),
  nodeSetCoordinatorState: async ({ deps, principal }, { node, state }) => {
    const wish = await orderCoordinatorState(deps, node, state, principal.who)
    if (wish === undefined) return { message: `Node ${node} is already in ${state} coordinator state.`, wish: 0 }
    return { message: `Setting node ${node} in ${state} coordinator state.`, wish }
  },
  nodeDomainState: ({ deps }, { node }) => ({ name: node, domain_state: domainState(requireNode(deps.index, node)) }),
} satisfies Pick<Handlers, keyof typeof nodeRoutes>
