/** What the numbers of the ZooKeeper client mean for a caller. */
import { type ErrorCode, PvcError } from '../../model/errors.ts'

/** Return codes of the C client that are treated by name. */
export const RC = {
  ok: 0,
  connectionLoss: -4,
  operationTimeout: -7,
  badArguments: -8,
  invalidState: -9,
  noNode: -101,
  badVersion: -103,
  noChildrenForEphemerals: -108,
  nodeExists: -110,
  notEmpty: -111,
  sessionExpired: -112,
  authFailed: -113,
  closing: -116,
  sessionMoved: -118,
} as const

/** What was asked for; `sync` counts as a read: repeating it changes nothing. */
export type Operation = 'get' | 'create' | 'set' | 'remove' | 'replace' | 'children' | 'exists' | 'sync'

const NAMES = new Map<number, string>(Object.entries(RC).map(([name, rc]) => [rc, name]))

/** Codes that do not depend on the operation, with what happened. */
const PLAIN: ReadonlyMap<number, readonly [ErrorCode, string]> = new Map([
  [RC.noNode, ['PVC_STORE_MISSING', 'the znode does not exist']],
  [RC.badVersion, ['PVC_STORE_VERSION', 'the znode has another version']],
  [RC.nodeExists, ['PVC_STORE_EXISTS', 'the znode exists already']],
  [RC.notEmpty, ['PVC_STORE_NOT_EMPTY', 'the znode has children']],
  [RC.sessionExpired, ['PVC_STORE_SESSION_LOST', 'the session has expired']],
  [RC.closing, ['PVC_STORE_SESSION_LOST', 'the session is closed']],
  [RC.invalidState, ['PVC_STORE_SESSION_LOST', 'the session is over']],
  [RC.authFailed, ['PVC_STORE_SESSION_LOST', 'the servers refused the session']],
  // The server that held the session before answers so, without having done anything.
  [RC.sessionMoved, ['PVC_STORE_UNAVAILABLE', 'the session has moved to another server']],
])

const OVER: readonly number[] = [RC.sessionExpired, RC.closing, RC.invalidState, RC.authFailed]

/** True for an answer that a server gave, good or bad: it proves that the session lived when it was asked. */
export function isAnswer(rc: number): boolean {
  return rc === RC.ok || (rc <= RC.noNode && rc !== RC.sessionMoved && !OVER.includes(rc))
}

/** True for a return code that says the client's session is over, which the client may say without having asked. */
export function isSessionOver(rc: number): boolean {
  return OVER.includes(rc)
}

const WRITES: readonly Operation[] = ['create', 'set', 'remove', 'replace']

/**
 * Turns a return code into an error with details `{rc, name, op, path}`. A lost connection leaves the outcome of a
 * write unknown (PVC_STORE_TIMEOUT); a read decided nothing (PVC_STORE_UNAVAILABLE).
 */
export function storeError(rc: number, op: Operation, path: string): PvcError {
  const details = { rc, name: NAMES.get(rc) ?? 'unknown', op, path }
  const plain = PLAIN.get(rc)
  if (plain) return new PvcError(plain[0], `${op} ${path}: ${plain[1]}`, { details })
  if (rc === RC.connectionLoss || rc === RC.operationTimeout) {
    return WRITES.includes(op)
      ? new PvcError('PVC_STORE_TIMEOUT', `${op} ${path}: the connection was lost, the outcome is unknown`, { details })
      : new PvcError('PVC_STORE_UNAVAILABLE', `${op} ${path}: the connection was lost`, { details })
  }
  return new PvcError('PVC_INTERNAL', `${op} ${path}: ZooKeeper answered ${rc}`, { details })
}
