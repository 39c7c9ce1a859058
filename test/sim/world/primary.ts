/** The coordinator part of a simulated daemon: the real election and the real fencer, their commands seen by an onlooker. */
import { withDeadline } from '../../../src/base/deadline.ts'
import type { MutableSignal } from '../../../src/base/signal.ts'
import { type Coordinator, createCoordinator } from '../../../src/coordinator/coordinator.ts'
import { createFencer } from '../../../src/fence/fencer.ts'
import { LEASE_SESSION_MS } from '../../../src/model/fence-timing.ts'
import type { BootId } from '../../../src/model/ids.ts'
import type { CoordinatorState } from '../../../src/model/node.ts'
import type { NodeConfig, NodeDaemon } from '../../../src/node/deps.ts'
import { createFaultBoard } from '../../../src/node/faults.ts'
import type { Ceph } from '../../../src/ports/ceph.ts'
import type { Log } from '../../../src/ports/log.ts'
import type { Power, PowerAnswer, PowerCall } from '../../../src/ports/power.ts'
import type { PrimaryRole, Reign } from '../../../src/ports/primary.ts'
import type { StorageFence } from '../../../src/ports/storage-fence.ts'
import type { Store } from '../../../src/ports/store.ts'
import type { Gate } from '../engine/gate.ts'
import { openVault } from './bmc.ts'

/** A command that cannot be taken back, as it begins. */
export type Command = {
  readonly host: string
  readonly call: string
  /** Nodes or addresses it is about. */
  readonly about: readonly string[]
  /** Undefined: nobody of this daemon reigns. */
  readonly reign: Reign | undefined
}

export type PrimaryOptions = {
  readonly config: NodeConfig
  readonly bootId: BootId
  readonly node: NodeDaemon
  readonly store: (label: string, timeoutMs: number) => Store
  readonly state: MutableSignal<CoordinatorState>
  readonly gate: Gate
  readonly storage: StorageFence
  readonly ceph: Ceph
  readonly power: Power
  readonly log: Log
  readonly onCommand: (command: Command) => void
}

/** Starts the coordinator part as the daemon's composition does, with the roles that the simulation has a world for. */
export function startPrimary(options: PrimaryOptions): Coordinator {
  const { config, bootId, node, store, state, gate, ceph, log } = options
  const { clock } = gate.process
  const { fencing, cluster } = config
  let reign: Reign | undefined
  const seen = (call: string, about: readonly string[]) =>
    options.onCommand({ host: config.node.name, call, about, reign })
  const fencer = createFencer({
    settings: {
      isEnabled: fencing.enabled,
      maxNodes: fencing.maxNodes,
      stopGraceMs: fencing.stopGraceMs,
      powerTimeoutMs: fencing.powerTimeoutMs,
      coordinators: cluster.coordinators,
    },
    storage: seenStorage(options, seen),
    ceph,
    power: boundPower(options, seen),
    unseal: openVault.open,
    peers: node.peers,
    hook: { announce: () => undefined, held: () => undefined },
    clock,
    log: log.child({ component: 'fence' }),
  })
  const onlooker: PrimaryRole = {
    name: 'onlooker',
    start: async (begun) => {
      reign = begun
    },
    stop: async () => undefined,
  }
  return createCoordinator(
    {
      self: config.node.name,
      coordinators: cluster.coordinators,
      store: store('lease', LEASE_SESSION_MS),
      bootId,
      isNodeAble: node.isAble,
      state,
      faults: createFaultBoard(clock),
      clock,
      log: log.child({ component: 'coordinator' }),
    },
    [onlooker, fencer],
  )
}

type Seen = (call: string, about: readonly string[]) => void

/** The same commands, those that cannot be taken back seen as they begin. */
function seenStorage({ storage }: PrimaryOptions, seen: Seen): StorageFence {
  return {
    ...storage,
    blocklist(...args) {
      seen('blocklist', args[0])
      return storage.blocklist(...args)
    },
  }
}

/** One attempt per call, killed at its deadline. */
function boundPower({ gate, power }: PrimaryOptions, seen: Seen): Power {
  const bound = async (call: PowerCall, work: Promise<PowerAnswer>): Promise<PowerAnswer> => {
    const gone: PowerAnswer = { kind: 'unreachable', reason: `no answer within ${call.deadlineMs} ms` }
    return withDeadline(gate.process.clock, call.deadlineMs, 'power', work).catch(() => gone)
  }
  return {
    status: (access, call) => bound(call, power.status(access, call)),
    off: (access, call) => {
      seen('off', [call.node])
      return bound(call, power.off(access, call))
    },
    on: (access, call) => bound(call, power.on(access, call)),
  }
}
