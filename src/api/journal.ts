import { withDeadline } from '../base/deadline.ts'
import type { RouteId } from '../contract/paths.ts'
import type { AuditEntry } from '../model/cluster.ts'
import type { Principal } from './auth.ts'
import type { ErrorReply } from './errors.ts'
import type { ApiDeps } from './handler.ts'

/** A change that was asked of the API, and how it ended. */
export type Change = {
  readonly id: RouteId
  /** Undefined: the request came without a valid token. */
  readonly principal: Principal | undefined
  readonly target: string
  readonly address: string
  readonly requestId: string
  readonly ms: number
  readonly message: string
  readonly failed: ErrorReply | undefined
}

/** An answer waits no longer than this for its audit entry. */
const AUDIT_DEADLINE_MS = 2000

/** Writes every change to the log, and to the audit log when it is known who asked. */
export class Journal {
  readonly #deps: ApiDeps

  constructor(deps: ApiDeps) {
    this.#deps = deps
  }

  /** Never fails: the change was made or refused already, whatever becomes of its entry. */
  async record(change: Change): Promise<void> {
    const { id, principal, target, address, requestId, ms, message, failed } = change
    const result = resultOf(failed)
    const { log, clock } = this.#deps
    log.info({ requestId, action: id, who: principal?.who ?? 'nobody', address, target, result, ms }, message)
    // Strangers must not be able to fill the store. And without a connection an entry cannot be written.
    if (principal === undefined || failed?.status === 503) return
    const entry: AuditEntry = {
      at: clock.wallMs(),
      who: principal.who,
      role: principal.role,
      address,
      action: id,
      target,
      result,
      message,
      requestId,
    }
    try {
      await withDeadline(clock, AUDIT_DEADLINE_MS, 'the audit log', this.#deps.audit.append(entry))
    } catch (error) {
      log.error({ err: error, requestId }, 'the audit entry could not be written')
    }
  }
}

function resultOf(failed: ErrorReply | undefined): AuditEntry['result'] {
  if (failed === undefined) return 'done'
  return failed.status >= 500 ? 'failed' : 'refused'
}
