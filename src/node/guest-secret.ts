import type { Clock } from '../base/clock.ts'
import { Reconciler } from '../base/reconciler.ts'
import { MutableSignal, type Signal } from '../base/signal.ts'
import { errorChain } from '../model/errors.ts'
import type { Hypervisor } from '../ports/hypervisor.ts'
import type { Log } from '../ports/log.ts'
import type { FaultBoard } from './faults.ts'

/** Keeps libvirt supplied with the Ceph key of guests: at the start and whenever libvirt comes back. */
export type GuestSecret = {
  /** True once it was tried: starting before that would fail for want of the key. */
  readonly isTried: Signal<boolean>
  start(): void
  stop(): Promise<void>
}

export type GuestSecretOptions = {
  readonly hypervisor: Hypervisor
  readonly clock: Clock
  readonly log: Log
  readonly faults: FaultBoard
  readonly secretUuid: string
  readonly user: string
  readonly readKey: () => Promise<Buffer>
}

const RESCAN_MS = 300_000
const RETRY_MS = 5000

/** Creates the loop; nothing happens before `start`. */
export function createGuestSecret(options: GuestSecretOptions): GuestSecret {
  const { hypervisor, clock, log, faults } = options
  const isTried = new MutableSignal(false)
  const loop = new Reconciler({
    clock,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    async pass() {
      if (!hypervisor.isConnected) return {}
      await hypervisor.ensureSecret(options.secretUuid, `client.${options.user} secret`, await options.readKey())
      faults.clear('GUEST_SECRET')
      isTried.set(true)
      return {}
    },
    onError(error) {
      const reason = errorChain(error)
      log.error({ error: reason }, 'libvirt could not be given the Ceph key of guests')
      const message = `libvirt has no Ceph key for guests: ${reason}. VMs with Ceph disks cannot start here.`
      faults.set('GUEST_SECRET', 'error', message)
      isTried.set(true)
    },
  })
  let unsubscribe: (() => void) | undefined
  return {
    isTried,
    start() {
      unsubscribe = hypervisor.subscribe((event) => {
        if (event.kind === 'connection' && event.connected) loop.trigger()
      })
      loop.trigger()
    },
    async stop() {
      unsubscribe?.()
      await loop.stop()
    },
  }
}
