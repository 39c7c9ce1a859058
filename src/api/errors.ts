import { type ErrorCode, errorChain, PvcError } from '../model/errors.ts'

/** HTTP status of every error code. The compiler refuses a code without a status. */
export const ERROR_STATUS = {
  PVC_ARGUMENT_INVALID: 400,
  PVC_AUTH_REQUIRED: 401,
  PVC_AUTH_FORBIDDEN: 403,
  PVC_CONFIG_INVALID: 500,
  PVC_OBJECT_NOT_FOUND: 404,
  // Refusals are 400, as older clients know them; 409 is kept for "somebody else was faster".
  PVC_OBJECT_EXISTS: 400,
  PVC_OBJECT_CONFLICT: 409,
  PVC_STATE_REFUSED: 400,
  PVC_VM_FAILED: 400,
  // Not 202: a client that asked to wait must not take it for done.
  PVC_WAIT_TIMEOUT: 504,
  PVC_STORE_UNAVAILABLE: 503,
  PVC_STORE_SESSION_LOST: 503,
  PVC_STORE_TIMEOUT: 503,
  PVC_STORE_VERSION: 409,
  PVC_STORE_EXISTS: 409,
  PVC_STORE_MISSING: 409,
  PVC_STORE_NOT_EMPTY: 409,
  PVC_STORE_TOO_LARGE: 413,
  PVC_STORE_WATCH_LIMIT: 503,
  PVC_STORE_SCHEMA: 503,
  PVC_STORE_CORRUPT: 500,
  PVC_STORE_ROLLBACK: 500,
  PVC_HYPERVISOR_UNAVAILABLE: 503,
  PVC_HYPERVISOR_FAILED: 502,
  PVC_HYPERVISOR_TIMEOUT: 504,
  PVC_HOST_FAILED: 500,
  PVC_CEPH_FAILED: 502,
  PVC_CEPH_TIMEOUT: 504,
  PVC_CEPH_NOT_FOUND: 404,
  PVC_CEPH_EXISTS: 400,
  PVC_CEPH_BUSY: 400,
  PVC_NETWORK_FAILED: 500,
  PVC_VOLUME_LOCKED: 409,
  PVC_CONSOLE_UNREADABLE: 502,
  PVC_XML_INVALID: 400,
  PVC_INTERNAL: 500,
} as const satisfies Record<ErrorCode, number>

/** An error as it goes to the client. */
export type ErrorReply = {
  readonly status: number
  readonly code: ErrorCode
  readonly body: { readonly message: string | Readonly<Record<string, string>>; readonly version?: number }
}

/** Turns anything thrown into a reply. Only expected errors say what they are; a bug is told to the log alone. */
export function errorReply(error: unknown, requestId: string): ErrorReply {
  if (!(error instanceof PvcError)) {
    const message = `An internal error occurred; the log of pvcapid has the details of request ${requestId}.`
    return { status: 500, code: 'PVC_INTERNAL', body: { message } }
  }
  const { code, details } = error
  const reply = { status: ERROR_STATUS[code], code }
  const named = details['arguments']
  if (code === 'PVC_ARGUMENT_INVALID' && isTextRecord(named)) return { ...reply, body: { message: named } }
  const message = sentence(code.startsWith('PVC_CEPH') ? errorChain(error) : error.message)
  const version = details['version']
  return { ...reply, body: typeof version === 'number' ? { message, version } : { message } }
}

/** Begins with a capital letter and ends with a full stop. */
export function sentence(text: string): string {
  const trimmed = text.trim()
  const started = trimmed.charAt(0).toUpperCase() + trimmed.slice(1)
  return /[.!?]$/.test(started) ? started : `${started}.`
}

function isTextRecord(value: unknown): value is Readonly<Record<string, string>> {
  return typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string')
}
