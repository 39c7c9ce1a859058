/** Composition of fencing: the duties of the primary, and the test of every coordinator of whether it could fence. */
import { createCephCli } from '../adapters/ceph/ceph-cli.ts'
import { createStorageFence } from '../adapters/ceph/storage-fence.ts'
import { createCronScheduler } from '../adapters/clock/cron.ts'
import type { LoadedConfig } from '../adapters/config/config-file.ts'
import { createFenceHook } from '../adapters/hook/fence-hook.ts'
import { createPower } from '../adapters/power/power-switch.ts'
import { runCommand } from '../adapters/process/command.ts'
import type { Clock } from '../base/clock.ts'
import type { Signal } from '../base/signal.ts'
import { createFencer } from '../fence/fencer.ts'
import { createReachTest, type ReachTest } from '../fence/reach-test.ts'
import { createFenceTest } from '../fence/readiness-test.ts'
import { PvcError } from '../model/errors.ts'
import type { Log } from '../ports/log.ts'
import type { Peers } from '../ports/peer.ts'
import type { PowerVault } from '../ports/power.ts'
import type { PrimaryRole } from '../ports/primary.ts'
import type { StoreSession } from '../ports/store.ts'

/** What fencing takes from the node part of the same daemon. */
export type FencingLinks = {
  /** The session in which this node may write about itself. */
  readonly session: () => StoreSession | undefined
  readonly peers: Peers
  /** Undefined: this node has no usable cluster key, so it cannot open what others say of their power. */
  readonly vault: PowerVault | undefined
}

/**
 * Looking at locks changes nothing, and a broken lock is named with the dead client that held it: both may outlive a reign. Ceph
 * serves what a dead host served after some seconds.
 */
const LOCK_MS = 8000

/** Makes the parts. The duties do nothing before the first reign, the test nothing before its start. */
export function createFencing(
  config: LoadedConfig,
  { session, peers, vault }: FencingLinks,
  isAble: Signal<boolean>,
  clock: Clock,
  log: Log,
): { readonly roles: readonly PrimaryRole[]; readonly reachTest: ReachTest } {
  const { fencing, ceph, cluster } = config
  // The coordinators' user: asking OSDs for their map takes rights that not every node should have.
  const { adminUser: user, configFile } = ceph
  const storage = createStorageFence({ user, configFile, deadlineMs: fencing.cephTimeoutMs })
  const power = createPower(runCommand)
  const part = log.child({ component: 'fence' })
  const hook = createFenceHook({ cluster: cluster.name, hook: fencing.hook, run: runCommand, clock, log: part })
  const fencer = createFencer({
    settings: {
      isEnabled: fencing.enabled,
      maxNodes: fencing.maxNodes,
      stopGraceMs: fencing.stopGraceMs,
      powerTimeoutMs: fencing.powerTimeoutMs,
      coordinators: cluster.coordinators,
    },
    storage,
    ceph: createCephCli({ user, configFile, deadlineMs: fencing.cephTimeoutMs, lockDeadlineMs: LOCK_MS }),
    power,
    unseal(node, document) {
      if (vault !== undefined) return vault.open(node, document)
      throw new PvcError('PVC_STATE_REFUSED', 'this primary has no usable cluster key, see its fault CLUSTER_KEY')
    },
    peers,
    hook,
    clock,
    log: part,
  })
  const { coordinators } = cluster
  const test = createFenceTest({ coordinators, hookProblem: hook.problem, clock, log: part })
  const reachTest = createReachTest({
    self: config.node.name,
    coordinators,
    session,
    isAble,
    power,
    vault,
    storage,
    schedule: fencing.testSchedule,
    scheduler: createCronScheduler(),
    clock,
    log: part,
  })
  return { roles: [fencer, test], reachTest }
}
