import { Reconciler } from '../../base/reconciler.ts'
import type { VmArrival } from '../../model/domain.ts'
import { errorChain } from '../../model/errors.ts'
import type { NodeName, VmUuid } from '../../model/ids.ts'
import type { DomainPorts } from './ports.ts'
import { createVmReconciler, type VmReconciler } from './reconcile.ts'

/** What the manager needs to know of the index: which VM names which node, and when that changed. It never acts on it. */
export type VmDirectory = {
  /** VMs whose spec or run record names `node`. */
  vmsOf(node: NodeName): Iterable<VmUuid>
  /** Whether spec or run record of this VM names `node`. */
  concerns(uuid: VmUuid, node: NodeName): boolean
  /** Called when spec or status of a VM changed; undefined: anything may have changed. */
  onChange(listener: (uuid: VmUuid | undefined) => void): () => void
}

const RESCAN_MS = 30_000
const RETRY_MS = 1000

/**
 * Keeps one reconciler per VM that concerns this node: named by spec or record, or with a domain, a permit, an
 * expected copy or a QEMU process here. Stopping it never touches a guest.
 */
export function createDomainManager(ports: DomainPorts, directory: VmDirectory) {
  const reconcilers = new Map<VmUuid, VmReconciler>()
  const unsubscribes: (() => void)[] = []
  const log = ports.log.child({ component: 'domain' })

  async function concerned(): Promise<ReadonlySet<VmUuid>> {
    const [domains, permits, incomings, processes] = await Promise.all([
      ports.hypervisor.list(),
      ports.files.permits(),
      ports.files.incomings(),
      ports.files.qemuProcesses(),
    ])
    return new Set<VmUuid>([
      ...directory.vmsOf(ports.self),
      ...domains.map((domain) => domain.uuid),
      ...permits.keys(),
      ...incomings.keys(),
      ...processes.keys(),
    ])
  }

  async function scan() {
    const wanted = await concerned()
    for (const uuid of wanted) ensure(uuid)
    const gone = [...reconcilers].filter(([uuid]) => !wanted.has(uuid))
    await Promise.all(gone.map(([uuid, reconciler]) => drop(uuid, reconciler)))
    return {}
  }

  function ensure(uuid: VmUuid): VmReconciler {
    const existing = reconcilers.get(uuid)
    if (existing) return existing
    const created = createVmReconciler(ports, uuid)
    reconcilers.set(uuid, created)
    created.trigger()
    return created
  }

  async function drop(uuid: VmUuid, reconciler: VmReconciler) {
    await reconciler.stop()
    reconcilers.delete(uuid)
  }

  const scanner = new Reconciler({
    clock: ports.clock,
    pass: scan,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    onError: (error) => log.warn({ error: errorChain(error) }, 'looking for domains failed, trying again'),
  })

  function triggerAll() {
    for (const reconciler of reconcilers.values()) reconciler.trigger()
    scanner.trigger()
  }

  function onDirectoryChange(uuid: VmUuid | undefined) {
    if (uuid === undefined) return triggerAll()
    const reconciler = reconcilers.get(uuid)
    if (reconciler) return reconciler.trigger()
    // A VM that was just placed here need not wait for a scan of the whole host.
    if (directory.concerns(uuid, ports.self)) ensure(uuid)
  }

  return {
    /** Starts looking; the first scan adopts what runs. */
    start() {
      unsubscribes.push(directory.onChange(onDirectoryChange))
      unsubscribes.push(
        ports.hypervisor.subscribe((event) => {
          if (event.kind === 'domain') ensure(event.uuid).event(event.event, event.detail)
          else if (event.connected) triggerAll()
        }),
      )
      scanner.trigger()
    },
    /** The target of a copy says that it is complete: its guest stands still, so it is looked at now, not when the watch tells. */
    wake(uuid: VmUuid, arrival: VmArrival) {
      reconcilers.get(uuid)?.wake(arrival)
    },
    /** Looks at everything again: after certification, or when an operator asks. */
    triggerAll,
    /** Stops all loops; waits for steps in flight, which bound their own calls. */
    async stop() {
      for (const unsubscribe of unsubscribes.splice(0)) unsubscribe()
      await scanner.stop()
      await Promise.all([...reconcilers.values()].map((reconciler) => reconciler.stop()))
      reconcilers.clear()
    },
  }
}
