/** What this node needs of its own libvirt beside guests: the Ceph key of guests, and the hook that guards starts. */
import { MutableSignal, type Signal } from '../base/signal.ts'
import type { NodeDeps } from './deps.ts'
import type { FaultBoard } from './faults.ts'
import { createGuestSecret } from './guest-secret.ts'
import { createStartHookCheck } from './start-hook.ts'

export type HostChecks = {
  /** True once libvirt was given the key, or that failed: starting before would fail for want of it. */
  readonly isSecretTried: Signal<boolean>
  start(): void
  stop(): Promise<void>
}

/** Creates the checks; nothing happens before `start`. libvirt's test driver needs none. */
export function createHostChecks(deps: NodeDeps, faults: FaultBoard): HostChecks {
  const { config, hypervisor, host, clock, log } = deps
  if (!deps.isRealHypervisor) {
    return { isSecretTried: new MutableSignal(true), start: () => undefined, stop: async () => undefined }
  }
  const secret = createGuestSecret({
    hypervisor,
    clock,
    log: log.child({ component: 'secret' }),
    faults,
    secretUuid: config.ceph.secretUuid,
    user: config.ceph.secretUser,
    readKey: () => host.guestKey(),
  })
  const hook = createStartHookCheck({ clock, faults, problem: () => host.startHookProblem() })
  return {
    isSecretTried: secret.isTried,
    start() {
      secret.start()
      hook.start()
    },
    stop: async () => void (await Promise.all([secret.stop(), hook.stop()])),
  }
}
