/** Publishes how this node's power is switched, sealed, whenever that has changed. */
import type { Clock } from '../../base/clock.ts'
import { Reconciler } from '../../base/reconciler.ts'
import { errorChain, hasCode } from '../../model/errors.ts'
import type { NodeName } from '../../model/ids.ts'
import type { PowerAccess } from '../../model/power.ts'
import type { FaultBoard } from '../../ports/faults.ts'
import type { Log } from '../../ports/log.ts'
import type { PowerVault } from '../../ports/power.ts'
import type { StoreSession } from '../../ports/store.ts'
import { tree } from '../../schema/tree.ts'
import { createDocumentWriter } from '../keepalive/document-writer.ts'

export type PowerPublisherOptions = {
  readonly self: NodeName
  readonly vault: PowerVault
  /** Reads the configured access with its secrets. @throws PvcError PVC_CONFIG_INVALID */
  readonly readAccess: () => Promise<PowerAccess>
  /** The session in which this node may write about itself. */
  readonly session: () => StoreSession | undefined
  readonly clock: Clock
  readonly log: Log
  readonly faults: FaultBoard
}

const RESCAN_MS = 60_000
const RETRY_MS = 5000

/** Looks now and then, so that a new password file needs no restart. Nothing happens before `start`. */
export function createPowerPublisher(options: PowerPublisherOptions): {
  start(): void
  trigger(): void
  stop(): Promise<void>
} {
  const { self, vault, faults, log, clock } = options
  const key = tree.node(self).power
  const writer = createDocumentWriter(key)
  const publishedFingerprint = async (session: StoreSession): Promise<string | undefined> => {
    try {
      return (await session.get(key))?.value.fingerprint
    } catch (error) {
      // Another release, or somebody's hand: it is replaced.
      if (hasCode(error, 'PVC_STORE_CORRUPT')) return undefined
      throw error
    }
  }
  const loop = new Reconciler({
    clock,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    async pass() {
      const session = options.session()
      if (session === undefined) return { wakeInMs: RETRY_MS }
      const access = await options.readAccess()
      if ((await publishedFingerprint(session)) !== vault.fingerprint(self, access)) {
        await writer.write(session, vault.document(self, access))
        log.info({ method: access.method }, 'published how the power of this node is switched')
      }
      faults.clear('POWER_ACCESS')
      return {}
    },
    onError(error) {
      if (hasCode(error, 'PVC_CONFIG_INVALID')) {
        const message = `Nobody can switch the power of this node: ${errorChain(error)} It is looked at again every 5 s.`
        faults.set('POWER_ACCESS', 'error', message)
      } else log.warn({ error: errorChain(error) }, 'the power access could not be published, trying again')
    },
  })
  return { start: () => loop.trigger(), trigger: () => loop.trigger(), stop: () => loop.stop() }
}
