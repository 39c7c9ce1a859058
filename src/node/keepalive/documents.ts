/** The heartbeat's two documents from what is known, fitted to their limits. Pure. */
import type { Fault } from '../../model/fault.ts'
import type { GuestStats, NodeStats, NodeStatus } from '../../model/node.ts'

/** Limit of nodes/N/status: it is read by everybody at every change. */
export const STATUS_LIMIT_BYTES = 16_000
/** Limit of nodes/N/stats: the store refuses documents over 512 kB; the rest is a reserve. */
export const STATS_LIMIT_BYTES = 500_000
const MAX_FAULTS = 40
const MAX_FAULT_MESSAGE = 300

const encoder = new TextEncoder()

/** Size of a document as it is stored. */
export function documentBytes(document: unknown): number {
  return encoder.encode(JSON.stringify(document)).length
}

/** At most {@link MAX_FAULTS} faults with short messages; the last one tells how many more there are. */
function fitFaults(faults: readonly Fault[]): Fault[] {
  const short = faults.map((fault) =>
    fault.message.length <= MAX_FAULT_MESSAGE
      ? fault
      : { ...fault, message: `${fault.message.slice(0, MAX_FAULT_MESSAGE - 1)}…` },
  )
  if (short.length <= MAX_FAULTS) return short
  const kept = short.slice(0, MAX_FAULTS - 1)
  const hidden = short.slice(MAX_FAULTS - 1)
  const since = Math.min(...hidden.map((fault) => fault.since))
  const message = `${hidden.length} more faults of this node are in its log.`
  return [...kept, { id: 'MORE_FAULTS', severity: hidden[0]?.severity ?? 'warning', message, since }]
}

/**
 * Fits a status to its limit. A uuid costs 39 bytes, so about 300 running VMs fit beside a normal node's facts; with more
 * the list is left empty (a part of it would look like the whole) and the count and every VM's own status tell. Faults
 * give way first, because VMs with trouble are many when it matters most.
 */
export function fitStatus(status: NodeStatus): NodeStatus {
  const bounded = { ...status, faults: fitFaults(status.faults) }
  if (documentBytes(bounded) <= STATUS_LIMIT_BYTES) return bounded
  const unlisted = { ...bounded, runningDomains: [] }
  let faults = unlisted.faults
  while (documentBytes({ ...unlisted, faults }) > STATUS_LIMIT_BYTES && faults.length > 0) {
    faults = faults.slice(0, Math.floor(faults.length / 2))
  }
  return { ...unlisted, faults }
}

/** What a status says that others act on: a change of it is written soon, a change of anything else with the next heartbeat. */
export function statusNewsKey(status: NodeStatus): string {
  const { bootId, versions, storageAddrs } = status
  const faults = status.faults.map((fault) => `${fault.id}/${fault.severity}`)
  const running = status.runningDomains.length > 0 ? status.runningDomains : status.domainsCount
  return JSON.stringify([
    [urgentKey(status), bootId, versions, storageAddrs],
    [status.watchdog, status.selfFenceBoundS],
    status.incoming,
    faults,
    running,
    [status.resources?.memoryTotalMiB, status.resources?.cpuCount],
  ])
}

/** What others wait for, such as that this node may be given VMs: a change of it is written without delay. */
export function urgentKey(status: NodeStatus): string {
  const { life, ack, selfFence, daemon, certified, domainState, coordinator } = status
  return JSON.stringify([life, ack, selfFence, daemon, certified, domainState, coordinator])
}

/**
 * Fits statistics to their limit: guests whose entries are larger than their fair share lose their per-device figures
 * first. `isReduced` tells that some are missing.
 */
export function fitStats(stats: NodeStats): { readonly stats: NodeStats; readonly isReduced: boolean } {
  if (documentBytes(stats) <= STATS_LIMIT_BYTES) return { stats, isReduced: false }
  const share = (STATS_LIMIT_BYTES - documentBytes({ ...stats, guests: [] })) / stats.guests.length - 1
  const slim = (guest: GuestStats): GuestStats =>
    documentBytes(guest) <= share ? guest : { ...guest, disks: [], interfaces: [] }
  const guests = stats.guests.map(slim)
  const reduced = { ...stats, guests }
  if (documentBytes(reduced) <= STATS_LIMIT_BYTES) return { stats: reduced, isReduced: true }
  return { stats: { ...stats, guests: [] }, isReduced: true }
}
