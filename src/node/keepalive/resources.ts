/** What a node tells of its room, also in the first moments of a daemon, when nothing is measured yet. */
import type { NodeStatus, Resources } from '../../model/node.ts'
import type { Collector } from './collector.ts'

/** VMs whose run record this node holds but which do not run yet: they need memory soon. */
export type Promised = { readonly memoryMiB: number; readonly vcpus: number }

type Sums = Pick<Resources, 'memoryAllocatedMiB' | 'memoryProvisionedMiB' | 'vcpusAllocated'>

type Running = Pick<NodeStatus, 'runningDomains' | 'domainsCount'> & { readonly resources?: Sums | undefined }

/** What runs, by the last sample; before the first one by what the daemon before this one published in the same boot. */
export function runningNow(collector: Collector, previous: NodeStatus | undefined): Running {
  const sample = collector.guests()
  if (sample === undefined) return previous ?? { runningDomains: [], domainsCount: 0 }
  const runningDomains = sample.guests.map((guest) => guest.uuid).sort()
  return { runningDomains, domainsCount: runningDomains.length, resources: sample }
}

/**
 * What is not measured yet is as the daemon before this one published it in the same boot. Without that it stays unknown:
 * a zero would tell others that the node is too small for every VM.
 */
export function hostResources(
  collector: Collector,
  previous: Resources | undefined,
  running: Running,
  promised: Promised,
): Resources | undefined {
  const facts = collector.facts() ?? previous
  const host = collector.host() ?? previous
  if (facts === undefined || host === undefined) return undefined
  const sums = running.resources
  return {
    cpuCount: facts.cpuCount,
    load1: host.load1,
    memoryTotalMiB: facts.memoryTotalMiB,
    memoryUsedMiB: host.memoryUsedMiB,
    memoryFreeMiB: host.memoryFreeMiB,
    memoryAllocatedMiB: sums?.memoryAllocatedMiB ?? 0,
    memoryProvisionedMiB: (sums?.memoryProvisionedMiB ?? 0) + promised.memoryMiB,
    vcpusAllocated: (sums?.vcpusAllocated ?? 0) + promised.vcpus,
  }
}
