/** Composition of the coordinator part: the lease's own session, the roles of the primary in their order, the fence test. */
import { createCronScheduler } from '../adapters/clock/cron.ts'
import { createSystemClock } from '../adapters/clock/system.ts'
import type { LoadedConfig } from '../adapters/config/config-file.ts'
import { createAddressRecord } from '../adapters/net/address-record.ts'
import { createHostNetwork } from '../adapters/net/host-network.ts'
import { endLeftRuns } from '../adapters/process/runs.ts'
import { createZooKeeperStore } from '../adapters/zookeeper/store.ts'
import type { Clock } from '../base/clock.ts'
import { type Coordinator, createCoordinator } from '../coordinator/coordinator.ts'
import type { CoordinatorDeps } from '../coordinator/deps.ts'
import { createFloatingRole, floatingAddresses } from '../coordinator/floating.ts'
import { createMaintenanceEnd } from '../coordinator/maintenance-end.ts'
import { createTimetable } from '../coordinator/timetable.ts'
import { createTombstoneJob } from '../coordinator/tombstones.ts'
import { errorChain } from '../model/errors.ts'
import { LEASE_SESSION_MS } from '../model/fence-timing.ts'
import { createFaultBoard } from '../node/faults.ts'
import type { Log } from '../ports/log.ts'
import type { PrimaryRole } from '../ports/primary.ts'
import type { Index } from '../view/index.ts'
import { createFencing, type FencingLinks } from './fencing-part.ts'
import { createNetworkServices, programRuns } from './network-services.ts'

export type CoordinatorPart = Pick<CoordinatorDeps, 'bootId' | 'isNodeAble' | 'state'> & {
  readonly config: LoadedConfig
  readonly fencing: FencingLinks
  /** The node's, with all networks and VMs. */
  readonly index: Index
  readonly clock: Clock
  readonly log: Log
}

/**
 * Takes floating addresses and gateways off this host, and ends programs, that an earlier daemon left: it was primary and ended
 * without a word.
 */
export async function dropLeftovers(config: LoadedConfig, log: Log): Promise<void> {
  try {
    endLeftRuns(programRuns(config), log)
    const gateways = await createAddressRecord(config.paths.run, 'gateways').read()
    const network = createHostNetwork(createSystemClock())
    await network.remove([...floatingAddresses(config), ...gateways])
    await network.endRetirement(gateways)
  } catch (error) {
    // The node can do its other work; as primary its role of the addresses will fail and say why.
    log.error({ error: errorChain(error) }, 'what an earlier daemon left on this host could not be removed')
  }
}

/** Starts the coordinator part of this node. */
export function startCoordinator(options: CoordinatorPart): Coordinator {
  const { config, bootId, isNodeAble, state, clock, log } = options
  const part = log.child({ component: 'coordinator' })
  const { servers, root } = config.zookeeper
  const fencing = createFencing(config, options.fencing, isNodeAble, clock, log)
  const coordinator = createCoordinator(
    {
      self: config.node.name,
      coordinators: config.cluster.coordinators,
      // Apart from the node's session, so that neither can keep the other alive or take it along.
      store: createZooKeeperStore({
        servers,
        root,
        sessionTimeoutMs: LEASE_SESSION_MS,
        clock,
        log: log.child({ component: 'lease' }),
      }),
      bootId,
      isNodeAble,
      state,
      faults: createFaultBoard(clock),
      clock,
      log: part,
    },
    [...fencing.roles, ...otherRoles(options, part)],
  )
  fencing.reachTest.start()
  return {
    async stop() {
      await Promise.all([fencing.reachTest.stop(), coordinator.stop()])
    },
  }
}

/** In the order in which they are started: what outsiders wait for first. */
function otherRoles({ config, index, clock, log: daemonLog }: CoordinatorPart, log: Log): readonly PrimaryRole[] {
  const network = createHostNetwork(clock)
  return [
    createFloatingRole(floatingAddresses(config), { network, log }),
    ...createNetworkServices(config, index, network, clock, daemonLog),
    createMaintenanceEnd({ clock, log }),
    createTimetable([createTombstoneJob({ clock, log })], { scheduler: createCronScheduler(), clock, log }),
  ]
}
