/** What the guard works with. It travels with every order, so that what pvcnoded publishes is what the guard does. */
export type GuardSettings = {
  /** Guests are ended this long after the base (protocol SFB). */
  readonly boundMs: number
  /** Within this time every QEMU must be seen dead, or the watchdog is fed no more (protocol K). */
  readonly killMs: number
  readonly watchdog: {
    /** At most 127 bytes. */
    readonly device: string
    readonly timeoutS: number
    /** Time-out of a device that cannot be asked for it. */
    readonly fixedTimeoutS?: number | undefined
  }
}

/** What pvcnoded tells the guard (protocol N10). Times are boot-time milliseconds of this machine. */
export type GuardOrder = {
  readonly isArmed: boolean
  /**
   * Base of the bound: the send time of the last acknowledged operation of a certified session, or a no-quorum proof. The
   * guard never takes an older one than it has, nor one of the future.
   */
  readonly baseMs: number
  /** Number of the latch that pvcnoded has answered by passing N1 or N7; the guard then forgets that latch. */
  readonly clearedLatch: number
  readonly settings: GuardSettings
}

/** What the guard says about itself. */
export type GuardReport = {
  /** False: no guard process has written within the last second. */
  readonly isRunning: boolean
  readonly isArmed: boolean
  /** The base it counts from, 0 before the first one. */
  readonly baseMs: number
  /** Number of the latest latch, 0 for none; greater than `clearedLatch`: no permit may be written. */
  readonly latch: number
  readonly clearedLatch: number
  /** Since the latch: true once every QEMU was seen dead within `killMs`. */
  readonly isKillVerified: boolean
  /** What it works with; undefined until it was armed for the first time of this boot. */
  readonly settings: GuardSettings | undefined
  /** absent: no device, or its time-out is not known. It is opened only while armed. */
  readonly watchdog:
    | { readonly kind: 'absent'; readonly reason: string }
    | { readonly kind: 'present'; readonly timeoutMs: number }
}

/** The guard process of this node, through its two pages below the run directory. */
export type Guard = {
  /** Cheap; called several times a second. The guard acts on it within a tenth of a second. */
  order(order: GuardOrder): void
  report(): GuardReport
}
