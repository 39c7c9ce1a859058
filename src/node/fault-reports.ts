/** Faults that come from outside the parts of the node, and the log of all of them. */
import type { Log } from '../ports/log.ts'
import type { Index } from '../view/index.ts'
import type { FaultBoard } from './faults.ts'

/** Logs every change of the node's faults. */
export function logFaults(faults: FaultBoard, log: Log): void {
  faults.subscribe(({ kind, fault: { id, severity, message } }) => {
    log[kind === 'cleared' ? 'info' : 'warn']({ fault: id, severity, message }, `fault ${kind}`)
  })
}

/** Documents the index does not believe are faults of their own as long as they stand. */
export function showRefused(index: Index, faults: FaultBoard): void {
  const refused = [...index.refused].map(([path, problem]) => ({
    id: `DOCUMENT_REFUSED:${path}`,
    severity: problem.code === 'PVC_STORE_ROLLBACK' ? ('critical' as const) : ('error' as const),
    message: `${problem.message}. It is not used; look at the ZooKeeper servers.`,
  }))
  faults.replace('DOCUMENT_REFUSED', refused)
}
