/** Facts of a libvirt error as the addon reports them. */
export type LibvirtErrorFacts = {
  readonly code: number
  readonly domain: number
  readonly level: number
  readonly call: string
}

/** The libvirt error codes somebody decides on (virErrorNumber); a test compares them with the C header. */
export const VIR_ERR = {
  INTERNAL_ERROR: 1,
  NO_SUPPORT: 3,
  NO_CONNECT: 5,
  INVALID_CONN: 6,
  INVALID_DOMAIN: 7,
  INVALID_ARG: 8,
  OPERATION_FAILED: 9,
  XML_ERROR: 27,
  DOM_EXIST: 28,
  OPERATION_DENIED: 29,
  XML_DETAIL: 35,
  SYSTEM_ERROR: 38,
  RPC: 39,
  NO_DOMAIN: 42,
  AUTH_FAILED: 45,
  OPERATION_INVALID: 55,
  INVALID_SECRET: 65,
  NO_SECRET: 66,
  CONFIG_UNSUPPORTED: 67,
  OPERATION_TIMEOUT: 68,
  MIGRATE_PERSIST_FAILED: 69,
  HOOK_SCRIPT_FAILED: 70,
  ARGUMENT_UNSUPPORTED: 74,
  OPERATION_ABORTED: 78,
  NO_DOMAIN_METADATA: 80,
  MIGRATE_UNSAFE: 81,
  OPERATION_UNSUPPORTED: 84,
  AGENT_UNRESPONSIVE: 86,
  RESOURCE_BUSY: 87,
  ACCESS_DENIED: 88,
  CPU_INCOMPATIBLE: 91,
  XML_INVALID_SCHEMA: 92,
  MIGRATE_FINISH_OK: 93,
  AUTH_UNAVAILABLE: 94,
  NO_SERVER: 95,
  AGENT_UNSYNCED: 97,
  DEVICE_MISSING: 99,
} as const

/** The parts of libvirt an error can come from that say "the link, not the request" (virErrorDomain). */
export const VIR_FROM = { RPC: 7, REMOTE: 13 } as const

/** What libvirt said about one call, read on the thread of that very call. */
export class LibvirtError extends Error {
  /** virErrorNumber, see {@link VIR_ERR}. */
  readonly code: number
  /** virErrorDomain: the part of libvirt that failed. */
  readonly domain: number
  /** virErrorLevel: 1 warning, 2 error. */
  readonly level: number
  /** Verb of the binding that failed, e.g. `domainCreate`. */
  readonly call: string
  constructor(message: string, facts: LibvirtErrorFacts) {
    super(message)
    this.name = 'LibvirtError'
    this.code = facts.code
    this.domain = facts.domain
    this.level = facts.level
    this.call = facts.call
  }
}

/** True for a {@link LibvirtError} with one of the given {@link VIR_ERR} codes. */
export function isLibvirtError(error: unknown, ...codes: readonly number[]): error is LibvirtError {
  return error instanceof LibvirtError && codes.includes(error.code)
}

/**
 * True when the link to libvirtd failed, not the request. Whether the request took effect is unknown then,
 * unless the connection was closed before it was sent (code INVALID_CONN).
 */
export function isConnectionLoss(error: unknown): error is LibvirtError {
  if (!(error instanceof LibvirtError)) return false
  if (error.code === VIR_ERR.INVALID_CONN || error.code === VIR_ERR.NO_CONNECT || error.code === VIR_ERR.RPC)
    return true
  const fromLink = error.domain === VIR_FROM.RPC || error.domain === VIR_FROM.REMOTE
  // libvirt reports a closed socket and a missed keepalive under these two codes.
  return fromLink && (error.code === VIR_ERR.INTERNAL_ERROR || error.code === VIR_ERR.SYSTEM_ERROR)
}
