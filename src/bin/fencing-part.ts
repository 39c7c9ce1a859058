/** Composition of fencing: the fencer and the test of whether it could fence, as duties of the primary. */
import { createCephCli } from '../adapters/ceph/ceph-cli.ts'
import { createStorageFence } from '../adapters/ceph/storage-fence.ts'
import type { LoadedConfig } from '../adapters/config/config-file.ts'
import { createFenceHook } from '../adapters/hook/fence-hook.ts'
import { createPower } from '../adapters/power/power-switch.ts'
import { runCommand } from '../adapters/process/command.ts'
import type { Clock } from '../base/clock.ts'
import { createFencer } from '../fence/fencer.ts'
import { createFenceTest } from '../fence/readiness-test.ts'
import { PvcError } from '../model/errors.ts'
import type { Log } from '../ports/log.ts'
import type { Peers } from '../ports/peer.ts'
import type { PowerVault } from '../ports/power.ts'
import type { PrimaryRole, TimetableJob } from '../ports/primary.ts'

/** What fencing takes from the node part of the same daemon. */
export type FencingLinks = {
  readonly peers: Peers
  /** Undefined: this node has no usable cluster key, so it cannot open what others say of their power. */
  readonly vault: PowerVault | undefined
}

/**
 * Looking at locks changes nothing, and a broken lock is named with the dead client that held it: both may outlive a reign. Ceph
 * serves what a dead host served after some seconds.
 */
const LOCK_MS = 8000

/** Makes the duties; nothing runs before the first reign. */
export function createFencing(
  config: LoadedConfig,
  { peers, vault }: FencingLinks,
  clock: Clock,
  log: Log,
): { readonly roles: readonly PrimaryRole[]; readonly jobs: readonly TimetableJob[] } {
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
  const schedule = fencing.testSchedule
  const test = createFenceTest({ power, vault, storage, schedule, hookProblem: hook.problem, clock, log: part })
  return { roles: [fencer, test.role], jobs: [test.job] }
}
