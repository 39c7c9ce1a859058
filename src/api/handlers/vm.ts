import type { RouteInput } from '../../contract/routes.ts'
import type { vmRoutes } from '../../contract/vm.ts'
import { compatState } from '../../model/compat-state.ts'
import { compatMeta } from '../../model/compat-vm.ts'
import { consoleWarnings } from '../../model/console-xml.ts'
import type { VmSpec } from '../../model/domain.ts'
import { whereabouts } from '../../model/move.ts'
import type { OperationsDeps } from '../../operations/deps.ts'
import { missingNetworks } from '../../operations/network-view.ts'
import { argumentError, type PowerAction } from '../../operations/plan.ts'
import { functionWarnings } from '../../operations/sriov.ts'
import { byName, eachVm, requireVm, type VmEntry } from '../../operations/view.ts'
import { defineVm, type NewVm, previewVm } from '../../operations/vm-define.ts'
import { removeVm } from '../../operations/vm-delete.ts'
import { editVmTags, knownNodes, modifyVm, setVmMeta, setVmPower } from '../../operations/vm-edit.ts'
import { powerDeadlineMs, waitForPower } from '../../operations/vm-wait.ts'
import { type Handlers, RawJson, type RequestContext } from '../handler.ts'
import { shownDecision } from './vm-move.ts'

/** What is answered when a power action was accepted, and when it was waited for. */
const POWER_MESSAGES = {
  start: ['Starting VM', 'Started VM'],
  shutdown: ['Shutting down VM', 'Shut down VM'],
  stop: ['Forcibly stopping VM', 'Forcibly stopped VM'],
  restart: ['Restarting VM', 'Restarted VM'],
  disable: ['Disabled VM', 'Disabled VM'],
} as const satisfies Record<PowerAction, readonly [string, string]>

/** `negate` turns node, state and tag round, each by itself; the name filter stays as it is. */
function isListed({ spec, status }: VmEntry, filter: RouteInput<'vmList'>): boolean {
  const vm = spec.value
  if (filter.limit !== undefined && !filter.limit.test(vm.name) && !filter.limit.test(vm.uuid)) return false
  const wanted = !filter.negate
  if (filter.node !== undefined && ((status.run?.node ?? vm.node) === filter.node) !== wanted) return false
  if (filter.state !== undefined && (compatState(vm, status) === filter.state) !== wanted) return false
  if (filter.tag !== undefined && vm.tags.some(({ name }) => name === filter.tag) !== wanted) return false
  return true
}

async function define(context: RequestContext, input: RouteInput<'vmDefine'>) {
  const request: NewVm = {
    xml: input.xml,
    node: input.node,
    nodeLimit: input.limit,
    meta: {
      selector: input.selector,
      autostart: input.autostart,
      migrationMethod: input.migration_method,
      migrationMaxDowntimeMs: input.migration_max_downtime,
      startPriority: input.start_priority,
      antiAffinityGroup: input.anti_affinity_group,
      consoleLines: input.console_lines,
    },
    userTags: input.user_tags,
    protectedTags: input.protected_tags,
  }
  if (input.dry_run) {
    const { spec, decision } = previewVm(context.deps, request)
    const message = `VM '${spec.name}' would be defined on node '${spec.node}'.`
    return {
      message,
      ...warningsOf(context.deps, spec),
      ...(decision === undefined ? {} : { decision: shownDecision(decision) }),
    }
  }
  const spec = await defineVm(context.deps, request)
  context.nameTarget(spec.name)
  const message = `Added new VM with Name '${spec.name}' and UUID '${spec.uuid}' to database.`
  return { message, ...warningsOf(context.deps, spec) }
}

/** What its owner should know before the VM is started. */
function warningsOf({ index }: Pick<OperationsDeps, 'index'>, spec: VmSpec): { readonly warnings?: string[] } {
  const { xml } = spec
  const warnings = [...consoleWarnings(xml), ...missingNetworks(index, xml), ...functionWarnings(index, spec)]
  return warnings.length > 0 ? { warnings } : {}
}

export const vmHandlers = {
  vmList: ({ deps, vmJson }, filter) => {
    const { limit, node, state, tag } = filter
    if ([limit, node, state, tag].every((value) => value === undefined)) return new RawJson(vmJson.all())
    const listed = [...eachVm(deps.index)].filter((entry) => isListed(entry, filter))
    return new RawJson(vmJson.list(listed.sort(byName)))
  },
  vmInfo: ({ deps, vmJson }, { vm }) => new RawJson(vmJson.list([requireVm(deps.index, vm)])),
  vmDefine: define,
  // The name in the path was never looked at; the definition names the VM.
  vmDefineNamed: define,

  vmModify: async ({ deps }, { vm, xml, restart, version }) => {
    const spec = await modifyVm(deps, vm, { xml, restart, version })
    const message = `Successfully modified configuration of VM '${spec.name}'.`
    return { message, ...warningsOf(deps, spec) }
  },
  vmDelete: async ({ deps, signal }, { vm, delete_disks, version }) => {
    const spec = await removeVm(deps, vm, { deleteDisks: delete_disks, version }, signal)
    if (delete_disks) return { message: `Removed VM '${spec.name}' and its disks from the cluster.` }
    return { message: `Undefined VM '${spec.name}' from the cluster.` }
  },

  vmMeta: ({ deps }, { vm }) => {
    const spec = requireVm(deps.index, vm).spec.value
    const { consoleLines, userData } = spec.meta
    return { name: spec.name, ...compatMeta(spec), console_lines: consoleLines ?? null, user_data: userData ?? null }
  },
  vmSetMeta: async ({ deps }, input) => {
    const change = {
      nodeLimit: input.limit === undefined ? undefined : knownNodes(deps, 'limit', input.limit),
      selector: input.selector,
      autostart: input.autostart,
      migrationMethod: input.migration_method,
      migrationMaxDowntimeMs: input.migration_max_downtime,
      profile: input.profile,
      startPriority: input.start_priority,
      antiAffinityGroup: input.anti_affinity_group,
      consoleLines: input.console_lines,
      userData: input.user_data,
    }
    if (Object.values(change).every((value) => value === undefined))
      throw argumentError('limit', 'or another setting is required')
    const spec = await setVmMeta(deps, input.vm, change, input.version)
    return { message: `Successfully modified PVC metadata of VM '${spec.name}'.` }
  },

  vmTags: ({ deps }, { vm }) => {
    const { name, tags } = requireVm(deps.index, vm).spec.value
    return { name, tags: [...tags] }
  },
  vmEditTags: async ({ deps }, { vm, action, tag, protected: isProtected }) => {
    const { name } = await editVmTags(deps, vm, { action, tag, isProtected })
    if (action === 'add') return { message: `Successfully added tag '${tag}' to VM '${name}'.` }
    return { message: `Successfully removed tag '${tag}' from VM '${name}'.` }
  },

  vmState: ({ deps }, { vm }) => {
    const { spec, status } = requireVm(deps.index, vm)
    return { name: spec.value.name, state: compatState(spec.value, status) }
  },
  vmSetState: async ({ deps, signal }, { vm, state, force, wait, version }) => {
    const wish = await setVmPower(deps, vm, state, { isForced: force, version })
    if (wait) await waitForPower(deps, wish, powerDeadlineMs(deps, wish, state, force), signal)
    const [accepted, done] = POWER_MESSAGES[state]
    return { message: `${wait ? done : accepted} '${wish.name}'.` }
  },

  vmNode: ({ deps }, { vm }) => {
    const { spec, status } = requireVm(deps.index, vm)
    const { name, node } = spec.value
    const { home } = whereabouts({ spec: spec.value, status })
    return { name, node: status.run?.node ?? node, last_node: home ?? '' }
  },
} satisfies Pick<Handlers, keyof typeof vmRoutes>
