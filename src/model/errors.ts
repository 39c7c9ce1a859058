/**
 * Every expected error of the product, in one table: code → what it means for an operator.
 * Codes are `PVC_<AREA>_<WHAT>`; the generated error page and the API's status map are checked against this table.
 */
export const ERROR_CODES = {
  PVC_ARGUMENT_INVALID: 'An argument is missing or not acceptable; details name the argument.',
  PVC_AUTH_REQUIRED: 'No valid API token came with the request.',
  PVC_AUTH_FORBIDDEN: 'The token is valid but its role does not allow this.',
  PVC_CONFIG_INVALID: 'The configuration file cannot be used; details list every error with its path.',
  PVC_OBJECT_NOT_FOUND: 'The named object does not exist.',
  PVC_OBJECT_EXISTS: 'An object with this name or id exists already.',
  PVC_OBJECT_CONFLICT: 'The object was changed by somebody else in between; read it again and retry.',
  PVC_STATE_REFUSED: 'The object is in a state that does not allow this action.',
  PVC_VM_FAILED: 'The node tried what was asked of the VM and failed; the message gives its reason.',
  PVC_WAIT_TIMEOUT: 'The request was accepted but did not finish within the waiting time.',
  PVC_STORE_UNAVAILABLE: 'ZooKeeper cannot be reached, or has no quorum; nothing was decided.',
  PVC_STORE_SESSION_LOST: 'The ZooKeeper session in which this was decided has ended; it must be decided anew.',
  PVC_STORE_TIMEOUT: 'ZooKeeper did not answer in time; the outcome is unknown until it is read again.',
  PVC_STORE_VERSION: 'The znode has another version than the one decided on.',
  PVC_STORE_EXISTS: 'The znode exists already.',
  PVC_STORE_MISSING: 'The znode does not exist.',
  PVC_STORE_NOT_EMPTY: 'The znode has children.',
  PVC_STORE_TOO_LARGE: 'The document is larger than 512 kB and was not sent.',
  PVC_STORE_WATCH_LIMIT: 'Too many watches on one ZooKeeper session; a reconnect would fail with more.',
  PVC_STORE_CORRUPT: 'The znode holds text that does not match its schema; details give the path and the reason.',
  PVC_STORE_SCHEMA:
    'The ZooKeeper tree belongs to another version of PVC, or to another cluster; nothing is read or written.',
  PVC_STORE_ROLLBACK: 'A document went backwards; it is refused until an operator looked at the ZooKeeper ensemble.',
  PVC_HYPERVISOR_UNAVAILABLE: 'libvirt on this node cannot be reached.',
  PVC_HYPERVISOR_FAILED: 'libvirt refused or failed the call; its message says why.',
  PVC_HYPERVISOR_TIMEOUT: 'libvirt did not answer in time; the outcome is unknown until it is looked at again.',
  PVC_HOST_FAILED: 'The machine did not do what was asked of it, such as a reboot; the message says why.',
  PVC_CEPH_FAILED: 'A ceph or rbd command failed; its message says why.',
  PVC_CEPH_TIMEOUT: 'A ceph or rbd command did not finish in time and was killed.',
  PVC_CEPH_NOT_FOUND: 'The pool, volume or snapshot does not exist in Ceph.',
  PVC_CEPH_EXISTS: 'The pool, volume or snapshot exists already in Ceph.',
  PVC_CEPH_BUSY: 'The pool, volume or snapshot is in use, so Ceph refuses the change.',
  PVC_NETWORK_FAILED:
    'A network device or service of this node could not be looked at or changed; the message says why.',
  PVC_VOLUME_LOCKED: 'A volume is locked by another client.',
  PVC_CONSOLE_UNREADABLE: 'The log file of a guest console cannot be read; the message says why.',
  PVC_XML_INVALID: 'The VM definition is not valid libvirt XML; the message gives line and reason.',
  PVC_INTERNAL: 'A bug; the log has the details.',
} as const

export type ErrorCode = keyof typeof ERROR_CODES

/** An expected failure. `message` names the subject and the attempt; the cause stays in `cause`. */
export class PvcError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>
  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'PvcError'
    this.code = code
    this.details = options.details ?? {}
  }
}

/** True for a {@link PvcError} with one of the given codes. */
export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is PvcError {
  return error instanceof PvcError && codes.includes(error.code)
}

/** The message of an error and of its causes, outermost first, for a log line or a person. */
export function errorChain(error: unknown): string {
  const parts: string[] = []
  for (let current: unknown = error; current !== undefined && parts.length < 8; ) {
    if (!(current instanceof Error)) {
      parts.push(String(current))
      break
    }
    parts.push(current.message)
    current = current.cause
  }
  return parts.join(': ')
}
