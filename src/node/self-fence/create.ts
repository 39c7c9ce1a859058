import type { NodeDeps } from '../deps.ts'
import { SelfFence, type SelfFenceOptions } from './self-fence.ts'

type Parts = 'membership' | 'index' | 'faults' | 'published' | 'quorum' | 'onNews'

/** The self-fence as configured. Without a real hypervisor there is no process that the guard could end. */
export function createSelfFence(deps: NodeDeps, parts: Pick<SelfFenceOptions, Parts>): SelfFence {
  const { config, guard, files, clock, log, isRealHypervisor } = deps
  const { enabled, boundMs, killMs, watchdog } = config.selfFence
  const { device, timeoutS, fixedTimeoutS, resetMs } = watchdog
  return new SelfFence({
    ...parts,
    self: config.node.name,
    isEnabled: enabled && config.fencing.enabled && isRealHypervisor,
    settings: {
      boundMs,
      killMs,
      watchdog: { device, timeoutS, ...(fixedTimeoutS === undefined ? {} : { fixedTimeoutS }) },
    },
    resetMs,
    guard,
    files,
    coordinators: config.cluster.coordinators.length,
    sessionTimeoutMs: config.zookeeper.sessionTimeoutMs,
    clock,
    log: log.child({ component: 'self-fence' }),
  })
}
