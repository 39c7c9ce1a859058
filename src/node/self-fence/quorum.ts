/** When it is proven that ZooKeeper had no quorum (protocol T6), so that no session can have ended. Pure. */

/** Coordinators must have been without service for so long, and answer within so long (protocol x). */
export const QUORUM_PROOF_MS = 2000

export type QuorumQuestion = {
  /** By this node's clock: before the first request left, and after the last answer came. */
  readonly askedAtMs: number
  readonly answeredAtMs: number
  /** How long each coordinator that answered has not been served. */
  readonly notServingForMs: readonly number[]
  readonly coordinators: number
  /** Newest contact so far. */
  readonly baseMs: number
  readonly sessionTimeoutMs: number
}

/**
 * The instant up to which the answers prove that no session of this node can have ended; undefined: they prove nothing.
 *
 * More than half of the servers were out of service from before the question until they answered, so there was no leader
 * at the instant of the question, and the next one gives every session its full time again. That says nothing of a session
 * that had ended before: the outage must have begun while the last contact still kept it.
 */
export function noQuorumProof(question: QuorumQuestion): number | undefined {
  const { askedAtMs, answeredAtMs, notServingForMs, coordinators, baseMs, sessionTimeoutMs } = question
  if (answeredAtMs - askedAtMs > QUORUM_PROOF_MS) return undefined
  const needed = Math.floor(coordinators / 2) + 1
  const silent = notServingForMs.filter((ms) => ms >= QUORUM_PROOF_MS).sort((a, b) => b - a)
  const shortestMs = silent[needed - 1]
  if (shortestMs === undefined) return undefined
  // Counted from the last answer, which is later than it was and so on the safe side.
  const outageSinceMs = answeredAtMs - shortestMs
  return outageSinceMs < baseMs + sessionTimeoutMs && askedAtMs > baseMs ? askedAtMs : undefined
}

/** When the first question is due after the last contact; then every {@link QUORUM_ASK_EVERY_MS}. */
export function firstQuestionMs(sessionTimeoutMs: number): number {
  return sessionTimeoutMs / 2
}
export const QUORUM_ASK_EVERY_MS = 1000
