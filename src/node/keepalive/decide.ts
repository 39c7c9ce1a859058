/** When the heartbeat writes which of its documents. Cost is two writes per interval, whatever the number of VMs. */

export type HeartbeatDocument = 'status' | 'stats'

export type HeartbeatSnapshot = {
  readonly nowMs: number
  readonly intervalMs: number
  /** When each document was last written; undefined: not in this session. */
  readonly statusWrittenAtMs: number | undefined
  readonly statsWrittenAtMs: number | undefined
  /** What the status says that others act on differs from what was last written. */
  readonly isStatusNews: boolean
  /** News that cannot wait for other changes, because somebody waits for it. */
  readonly isUrgent: boolean
  /** A fresh sample exists since the last stats document. */
  readonly isStatsNews: boolean
}

export type HeartbeatDecision = { readonly write: readonly HeartbeatDocument[]; readonly wakeInMs: number }

/** Changes closer together than this share of the interval go into one write. */
const COALESCE_SHARE = 5

/**
 * Decides what is due. A status written because of a change counts as the heartbeat of its interval, so that changes do
 * not add to the regular writes. Statistics without a fresh sample are not written again.
 */
export function decideHeartbeat(snapshot: HeartbeatSnapshot): HeartbeatDecision {
  const { nowMs, intervalMs } = snapshot
  const write: HeartbeatDocument[] = []
  const statusAgeMs = nowMs - (snapshot.statusWrittenAtMs ?? Number.NEGATIVE_INFINITY)
  const newsDueMs = snapshot.isUrgent ? 0 : intervalMs / COALESCE_SHARE
  const statusDueMs = snapshot.isStatusNews ? newsDueMs : intervalMs
  if (statusAgeMs >= statusDueMs) write.push('status')
  const statusWakeMs = statusAgeMs >= statusDueMs ? intervalMs : statusDueMs - statusAgeMs
  const statsAgeMs = nowMs - (snapshot.statsWrittenAtMs ?? Number.NEGATIVE_INFINITY)
  const isStatsDue = statsAgeMs >= intervalMs && snapshot.isStatsNews
  if (isStatsDue) write.push('stats')
  const statsWakeMs = isStatsDue || statsAgeMs >= intervalMs ? intervalMs : intervalMs - statsAgeMs
  return { write, wakeInMs: Math.min(statusWakeMs, statsWakeMs) }
}
