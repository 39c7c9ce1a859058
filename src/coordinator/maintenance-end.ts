/** The role that ends maintenance which was asked for a time. */
import type { Clock } from '../base/clock.ts'
import { Reconciler } from '../base/reconciler.ts'
import { errorChain, hasCode } from '../model/errors.ts'
import type { Log } from '../ports/log.ts'
import type { PrimaryRole, Reign } from '../ports/primary.ts'
import { tree } from '../schema/tree.ts'

const RESCAN_MS = 30_000
const RETRY_MS = 1000

/**
 * Looks at the cluster's document whenever it changes, and turns maintenance off once its time is over. `until` is a time of
 * day that people chose, so wall time decides; it ends nothing but the wish of the one who set it.
 */
export function createMaintenanceEnd({ clock, log }: { readonly clock: Clock; readonly log: Log }): PrimaryRole {
  let loop: Reconciler | undefined
  let unsubscribe: () => void = () => undefined

  const look = async ({ session }: Reign): Promise<{ readonly wakeInMs?: number }> => {
    await session.readWatched(tree.cluster.path)
    const document = await session.get(tree.cluster)
    const until = document?.value.maintenance.until
    if (document === undefined || !document.value.maintenance.on || until === undefined) return {}
    const leftMs = until - clock.wallMs()
    if (leftMs > 0) return { wakeInMs: leftMs }
    const { value, version } = document
    const maintenance = { on: false, since: 0, by: '', reason: '' }
    await session.set(tree.cluster, { ...value, generation: value.generation + 1, maintenance }, version)
    log.info({ by: value.maintenance.by, reason: value.maintenance.reason }, 'the time of maintenance is over')
    return {}
  }

  return {
    name: 'maintenance-end',
    async start(reign) {
      await loop?.stop()
      unsubscribe()
      const running = new Reconciler({
        clock,
        pass: () => look(reign),
        rescanMs: RESCAN_MS,
        retryMs: RETRY_MS,
        onError(error) {
          const isPassing = hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_UNAVAILABLE', 'PVC_STORE_SESSION_LOST')
          log[isPassing ? 'info' : 'error'](
            { error: errorChain(error) },
            'the end of maintenance could not be looked at',
          )
        },
      })
      loop = running
      unsubscribe = reign.session.onChange((path) => path === tree.cluster.path && running.trigger())
      running.trigger()
    },
    async stop() {
      unsubscribe()
      await loop?.stop()
      loop = undefined
    },
  }
}
