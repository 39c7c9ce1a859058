import type { NodeDeps } from '../deps.ts'
import type { FaultBoard } from '../faults.ts'
import type { Membership } from '../membership/membership.ts'
import { createOwnBlocklist } from './own-blocklist.ts'
import { createQuarantine } from './quarantine.ts'

/** The quarantine of this machine, and its look at its own entries in the blocklist. */
export function buildQuarantine(deps: NodeDeps, membership: Membership, faults: FaultBoard) {
  const { config, files, hypervisor, host, clock, log, storageFence } = deps
  const blocklist = createOwnBlocklist(storageFence, config.node.storageAddresses, clock)
  const quarantine = createQuarantine({
    self: config.node.name,
    membership,
    files,
    hypervisor,
    host,
    blocklist,
    isAutoReady: config.recovery.autoReady,
    faults,
    clock,
    log: log.child({ component: 'quarantine' }),
  })
  return { quarantine, blocklist }
}
