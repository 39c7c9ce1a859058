/**
 * libvirt's numbers as words. Each list is in the order of its C enumeration; a test compares them with the headers.
 * A number of a newer libvirt becomes `unknown-N`.
 */
import type { DomainState } from '../../ports/hypervisor.ts'

/** virDomainState */
export const DOMAIN_STATES: readonly DomainState[] = [
  'nostate',
  'running',
  'blocked',
  'paused',
  'shutdown',
  'shutoff',
  'crashed',
  'pmsuspended',
]

const POSTCOPY = ['postcopy', 'postcopy-failed'] as const

/** Reasons of each state: virDomainRunningReason and so on. */
export const STATE_REASONS = {
  nostate: ['unknown'],
  running: [
    'unknown',
    'booted',
    'migrated',
    'restored',
    'from-snapshot',
    'unpaused',
    'migration-canceled',
    'save-canceled',
    'wakeup',
    'crashed',
    ...POSTCOPY,
  ],
  blocked: ['unknown'],
  paused: [
    'unknown',
    'user',
    'migration',
    'save',
    'dump',
    'ioerror',
    'watchdog',
    'from-snapshot',
    'shutting-down',
    'snapshot',
    'crashed',
    'starting-up',
    ...POSTCOPY,
  ],
  shutdown: ['unknown', 'user'],
  shutoff: ['unknown', 'shutdown', 'destroyed', 'crashed', 'migrated', 'saved', 'failed', 'from-snapshot', 'daemon'],
  crashed: ['unknown', 'panicked'],
  pmsuspended: ['unknown'],
} as const satisfies Record<DomainState, readonly string[]>

/** virDomainEventType */
export const LIFECYCLE_EVENTS = [
  'defined',
  'undefined',
  'started',
  'suspended',
  'resumed',
  'stopped',
  'shutdown',
  'pmsuspended',
  'crashed',
] as const
export type LifecycleWord = (typeof LIFECYCLE_EVENTS)[number]

/** Details of each lifecycle event: virDomainEventDefinedDetailType and so on. */
export const LIFECYCLE_DETAILS = {
  defined: ['added', 'updated', 'renamed', 'from-snapshot'],
  undefined: ['removed', 'renamed'],
  started: ['booted', 'migrated', 'restored', 'from-snapshot', 'wakeup'],
  suspended: ['paused', 'migrated', 'ioerror', 'watchdog', 'restored', 'from-snapshot', 'api-error', ...POSTCOPY],
  resumed: ['unpaused', 'migrated', 'from-snapshot', ...POSTCOPY],
  stopped: ['shutdown', 'destroyed', 'crashed', 'migrated', 'saved', 'failed', 'from-snapshot'],
  shutdown: ['finished', 'guest', 'host'],
  pmsuspended: ['memory', 'disk'],
  crashed: ['panicked', 'crashloaded'],
} as const satisfies Record<LifecycleWord, readonly string[]>

/** virDomainEventIOErrorAction */
export const IO_ERROR_ACTIONS = ['none', 'pause', 'report'] as const
/** virConnectDomainEventAgentLifecycleState starts at 1. */
export const AGENT_STATES = ['none', 'connected', 'disconnected'] as const
/** virConnectDomainEventAgentLifecycleReason */
export const AGENT_REASONS = ['unknown', 'domain-started', 'channel'] as const
/** virConnectCloseReason */
export const CLOSE_REASONS = ['error', 'eof', 'keepalive', 'client'] as const
/** virDomainControlState */
export const CONTROL_STATES = ['ok', 'job', 'occupied', 'error'] as const
/** virDomainJobType */
export const JOB_TYPES = ['none', 'bounded', 'unbounded', 'completed', 'failed', 'cancelled'] as const
/** virDomainDiskErrorCode */
export const DISK_ERRORS = ['none', 'unspec', 'no-space'] as const
/** virCPUCompareResult without its error, which rejects. */
export const CPU_COMPARISONS = ['incompatible', 'identical', 'superset'] as const

/** A word of the list, or `unknown-N` from a libvirt newer than this list. */
export type Word<T extends string> = T | `unknown-${number}`

/** The word of number `index` in `words`. */
export function wordOf<T extends string>(words: readonly T[], index: number): Word<T> {
  return words[index] ?? `unknown-${index}`
}

/** State and reason of a domain as words; an unheard-of state reads as `nostate`, its reason says which number it was. */
export function stateWords(state: number, reason: number): { state: DomainState; reason: string } {
  const word = DOMAIN_STATES[state]
  if (word === undefined) return { state: 'nostate', reason: `unknown-state-${state}` }
  return { state: word, reason: wordOf<string>(STATE_REASONS[word], reason) }
}
