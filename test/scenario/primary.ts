/** The coordinator part on a fake machine: the real election and the real fencer. */
import type { FakeCeph } from '../../src/adapters/fake/ceph.ts'
import type { ManualClock } from '../../src/adapters/fake/clock.ts'
import { FakePower } from '../../src/adapters/fake/power.ts'
import { FakeOsdMap, FakeStorageFence } from '../../src/adapters/fake/storage-fence.ts'
import type { FakeEnsemble, FakeStore } from '../../src/adapters/fake/store.ts'
import type { MutableSignal } from '../../src/base/signal.ts'
import { type Coordinator, createCoordinator } from '../../src/coordinator/coordinator.ts'
import { createFencer } from '../../src/fence/fencer.ts'
import type { BootId } from '../../src/model/ids.ts'
import type { CoordinatorState } from '../../src/model/node.ts'
import type { PowerAccess } from '../../src/model/power.ts'
import type { NodeConfig, NodeDaemon } from '../../src/node/deps.ts'
import { createFaultBoard } from '../../src/node/faults.ts'
import type { FaultBoard } from '../../src/ports/faults.ts'
import type { Log } from '../../src/ports/log.ts'
import type { PowerVault } from '../../src/ports/power.ts'

/** What coordinators share where a scenario has them: power controllers, and the OSDs of the cluster. */
export class Fencing {
  readonly power: FakePower
  readonly osds: FakeOsdMap

  constructor(clock: ManualClock, ceph: FakeCeph) {
    this.power = new FakePower(clock)
    this.osds = new FakeOsdMap(ceph)
  }
}

export const BMC: PowerAccess = {
  method: 'ipmi',
  host: '10.0.9.1',
  user: 'admin',
  password: 'of the scenario',
  interface: 'lanplus',
  cipherSuite: 3,
}

export type PrimaryOptions = {
  readonly fencing: Fencing
  readonly ensemble: FakeEnsemble
  readonly clock: ManualClock
  readonly ceph: FakeCeph
  readonly vault: PowerVault
  readonly config: NodeConfig
  readonly bootId: BootId
  readonly node: NodeDaemon
  readonly state: MutableSignal<CoordinatorState>
  readonly log: Log
}

/** One coordinator part that runs. */
export type RunningPrimary = {
  readonly lease: FakeStore
  readonly storage: FakeStorageFence
  readonly coordinator: Coordinator
  /** Faults of the cluster, while it is primary. */
  readonly faults: FaultBoard
}

/** As the daemon's composition does it, with the one role that scenarios look at. */
export function startPrimary(options: PrimaryOptions): RunningPrimary {
  const { fencing, ensemble, clock, ceph, vault, config, bootId, node, state, log } = options
  const lease = ensemble.connect()
  const storage = new FakeStorageFence(fencing.osds, config.fencing.cephTimeoutMs)
  const faults = createFaultBoard(clock)
  const { coordinators } = config.cluster
  const fencer = createFencer({
    settings: {
      isEnabled: config.fencing.enabled,
      maxNodes: config.fencing.maxNodes,
      stopGraceMs: config.fencing.stopGraceMs,
      powerTimeoutMs: config.fencing.powerTimeoutMs,
      coordinators,
    },
    storage,
    ceph,
    power: fencing.power,
    unseal: vault.open,
    peers: node.peers,
    hook: { announce: () => undefined, held: () => undefined },
    clock,
    log,
  })
  const { isAble: isNodeAble } = node
  const self = config.node.name
  const deps = { self, coordinators, store: lease, bootId, isNodeAble, state, faults, clock, log }
  return { lease, storage, faults, coordinator: createCoordinator(deps, [fencer]) }
}
