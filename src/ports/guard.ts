/** What pvcnoded tells the guard (protocol N10). Times are boot-time milliseconds of this machine. */
export type GuardOrder = {
  readonly isArmed: boolean
  /** Base of the bound: the send time of the last acknowledged operation of a certified session, or a no-quorum proof. */
  readonly baseMs: number
  /** Raised by pvcnoded once it has passed N1 or N7 after a latch; the guard then forgets the latch. */
  readonly clearedLatch: number
}

/** What the guard says about itself. */
export type GuardReport = {
  /** False: no guard process has written within the last seconds. */
  readonly isRunning: boolean
  readonly isArmed: boolean
  /** Number of the latest latch, 0 for none; greater than `clearedLatch`: no permit may be written. */
  readonly latch: number
  readonly boundMs: number
  /** absent: no device, or its time-out is not known. */
  readonly watchdog:
    | { readonly kind: 'absent'; readonly reason: string }
    | { readonly kind: 'present'; readonly timeoutMs: number }
}

/** The guard process of this node, through its two pages below the run directory. */
export type Guard = {
  /** Cheap; called several times a second. */
  order(order: GuardOrder): void
  report(): GuardReport
}
