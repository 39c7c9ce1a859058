/**
 * What to tell the guard, and what to tell the cluster about it (protocol N10, N11). The one rule above all: the status
 * never says "armed" while the guard is not. So arming comes before saying it, and saying "off" before disarming.
 */

/** What the guard is to work with; the same shape as the port's. */
export type FenceSettings = {
  readonly boundMs: number
  readonly killMs: number
  readonly watchdog: {
    readonly device: string
    readonly timeoutS: number
    readonly fixedTimeoutS?: number | undefined
  }
}

/** The guard as it last reported. */
export type SeenGuard = {
  readonly isRunning: boolean
  readonly isArmed: boolean
  readonly baseMs: number
  readonly latch: number
  readonly clearedLatch: number
  readonly isKillVerified: boolean
  readonly settings: FenceSettings | undefined
  readonly watchdog:
    | { readonly kind: 'absent'; readonly reason: string }
    | { readonly kind: 'present'; readonly timeoutMs: number }
}

export type SelfFenceSnapshot = {
  /** undefined: not known yet after a start of the daemon; what the guard does goes on. */
  readonly wanted: 'armed' | 'off' | undefined
  readonly settings: FenceSettings
  /** From the watchdog's end to the moment nothing runs any more (protocol R). */
  readonly resetMs: number
  readonly guard: SeenGuard
  /** Newest contact this daemon knows of; undefined: none yet. */
  readonly contactMs: number | undefined
  /** What the status document says for certain, acknowledged in the present session; undefined: not certain. */
  readonly published: 'armed' | 'off' | undefined
  /** Number of the latch that this daemon has answered by passing N1. */
  readonly clearedLatch: number
}

/** What the status document is to say. */
export type SelfFenceStatus = {
  readonly selfFence: 'armed' | 'off'
  readonly watchdog: 'present' | 'absent'
  /** Protocol T2, D, in seconds; only while armed with a watchdog. */
  readonly selfFenceBoundS: number | undefined
}

export type SelfFenceDecision = {
  readonly status: SelfFenceStatus
  /** undefined: the guard's orders stand. */
  readonly order:
    | {
        readonly isArmed: boolean
        readonly baseMs: number
        readonly clearedLatch: number
        readonly settings: FenceSettings
      }
    | undefined
}

/** Nothing may start while this holds. */
export function isLatched(guard: Pick<SeenGuard, 'latch' | 'clearedLatch'>): boolean {
  return guard.latch > guard.clearedLatch
}

/** Decides orders and status from one look. */
export function decideSelfFence(snapshot: SelfFenceSnapshot): SelfFenceDecision {
  const { guard, contactMs, published, settings } = snapshot
  const goal = snapshot.wanted ?? (guard.isArmed ? 'armed' : undefined)
  const clearedLatch = Math.max(snapshot.clearedLatch, guard.clearedLatch)
  const baseMs = Math.max(contactMs ?? 0, guard.baseMs)
  const status = statusOf(snapshot, goal)
  if (goal === 'off' && published === 'off') {
    return { status, order: { isArmed: false, baseMs, clearedLatch, settings } }
  }
  // Without a contact of its own a daemon that just started must not touch the base of the one before it.
  if (goal === undefined || contactMs === undefined) return { status, order: undefined }
  if (goal === 'armed') {
    return { status, order: { isArmed: true, baseMs, clearedLatch, settings: settingsNow(snapshot) } }
  }
  // To be off, but the cluster may still count on it: kept as it is until "off" is acknowledged.
  const order =
    guard.isArmed && guard.settings ? { isArmed: true, baseMs, clearedLatch, settings: guard.settings } : undefined
  return { status, order }
}

/** An armed guard keeps its settings until the cluster was told that it does not count on them. */
function settingsNow({ wanted, guard, settings, published }: SelfFenceSnapshot): FenceSettings {
  if (!guard.isArmed || guard.settings === undefined) return settings
  return wanted !== undefined && published === 'off' ? settings : guard.settings
}

function statusOf(
  { wanted, guard, settings, resetMs }: SelfFenceSnapshot,
  goal: 'armed' | 'off' | undefined,
): SelfFenceStatus {
  const works = guard.settings
  const isAsWanted = wanted === undefined || (works !== undefined && isSame(works, settings))
  if (goal !== 'armed' || !guard.isRunning || !guard.isArmed || works === undefined || !isAsWanted) {
    return { selfFence: 'off', watchdog: guard.watchdog.kind, selfFenceBoundS: undefined }
  }
  const boundMs =
    guard.watchdog.kind === 'present'
      ? works.boundMs + Math.max(works.killMs, guard.watchdog.timeoutMs + resetMs)
      : undefined
  return {
    selfFence: 'armed',
    watchdog: guard.watchdog.kind,
    selfFenceBoundS: boundMs === undefined ? undefined : boundMs / 1000,
  }
}

function isSame(a: FenceSettings, b: FenceSettings): boolean {
  return (
    a.boundMs === b.boundMs &&
    a.killMs === b.killMs &&
    a.watchdog.device === b.watchdog.device &&
    a.watchdog.timeoutS === b.watchdog.timeoutS &&
    a.watchdog.fixedTimeoutS === b.watchdog.fixedTimeoutS
  )
}

export type SelfFenceProblem = { readonly severity: 'warning' | 'error' | 'critical'; readonly message: string }

/** What is wrong with the guard, by the fault it raises. */
export function selfFenceProblems({ wanted, guard }: Pick<SelfFenceSnapshot, 'wanted' | 'guard'>): {
  readonly guardNotRunning: SelfFenceProblem | undefined
  readonly watchdogAbsent: SelfFenceProblem | undefined
  readonly selfFenced: SelfFenceProblem | undefined
} {
  const isMissed = wanted === 'armed' && !guard.isRunning
  const isBare = wanted === 'armed' && guard.isRunning && guard.isArmed && guard.watchdog.kind === 'absent'
  return {
    guardNotRunning: isMissed ? GUARD_NOT_RUNNING : undefined,
    watchdogAbsent: isBare ? watchdogAbsent(guard.watchdog) : undefined,
    selfFenced: isLatched(guard) ? selfFenced(guard.isKillVerified) : undefined,
  }
}

const GUARD_NOT_RUNNING: SelfFenceProblem = {
  severity: 'error',
  message:
    'The guard does not run: this node would not end its guests when it is cut off, so its VMs are recovered only after a proven power-off. Look at: systemctl status pvc-guard.',
}

function watchdogAbsent(watchdog: SeenGuard['watchdog']): SelfFenceProblem {
  const reason = watchdog.kind === 'absent' ? watchdog.reason : ''
  return {
    severity: 'warning',
    message: `This node has no watchdog (${reason}): when it is cut off and its power cannot be switched, its VMs wait for a person.`,
  }
}

function selfFenced(isKillVerified: boolean): SelfFenceProblem {
  const how = isKillVerified ? 'were ended' : 'are being ended, and not all are seen dead yet'
  return {
    severity: 'critical',
    message: `This node was without contact for too long: its guests ${how}, and none starts before it is certified again.`,
  }
}
