/**
 * The times that fencing rests on, and whether they fit together (protocol T2 to T10). Pure. Times are milliseconds unless
 * their name says otherwise.
 */

/** Session time-out of the primary's lease (protocol L): nothing else uses that session. */
export const LEASE_SESSION_MS = 4000
/** Clocks of two machines run apart by no more than this part. */
const DRIFT = 0.001
/** Reserve of the wait for a self-fence beyond what the clocks demand. */
const WAIT_MARGIN_MS = 2000
/** How often the guard looks, and is fed with news of contact (protocol F). */
const FEED_MS = 500
/** Longest gap between acknowledged writes with a hung ZooKeeper leader and the shipped server settings, as measured. */
const HARMLESS_OUTAGE_MS = 7200
/** A client finds another server within this time after its own went silent. */
const RECONNECT_MS = 1000
/** A stalled event loop of this length must not cost a guest. */
const HARMLESS_STALL_MS = 5000
/** The proof that no quorum exists: servers silent this long, asked this often, answering within this time (protocol T6). */
const NO_QUORUM_MS = 2000
const NO_QUORUM_EVERY_MS = 1000
const PEER_DEADLINE_MS = 1000
/** Shortest session a server grants; for a node that has not said what its own is. */
const SHORTEST_SESSION_MS = 4000

/** What has to fit together. */
export type FenceTimes = {
  /** Session time-out of nodes (protocol T). */
  readonly sessionTimeoutMs: number
  readonly cephTimeoutMs: number
  /** Undefined: the self-fence is off. */
  readonly selfFence:
    | {
        readonly boundMs: number
        readonly killMs: number
        readonly watchdogTimeoutS: number
        readonly resetMs: number
      }
    | undefined
}

/** An inequality that does not hold: the rule's name, the setting to change, and a sentence with the numbers. */
export type TimingProblem = { readonly rule: string; readonly path: string; readonly message: string }

/** The latest instant, counted from the last contact, at which a guest of a cut-off node can run (protocol T2, D). */
export function lastRunMs({
  boundMs,
  killMs,
  watchdogTimeoutS,
  resetMs,
}: NonNullable<FenceTimes['selfFence']>): number {
  return boundMs + Math.max(killMs, watchdogTimeoutS * 1000 + resetMs)
}

/**
 * How long a primary waits, from the moment it saw a node's proof of life vanish, until the self-fence must have ended every
 * guest (protocol T3, W).
 * @param lastRunS D as the node publishes it
 * @param sessionTimeoutMs that node's own; undefined: the shortest possible
 */
export function selfFenceWaitMs(lastRunS: number, sessionTimeoutMs: number | undefined): number {
  const sinceExpiryMs = Math.max(0, lastRunS * 1000 - (sessionTimeoutMs ?? SHORTEST_SESSION_MS))
  return Math.ceil(sinceExpiryMs * (1 + 2 * DRIFT)) + WAIT_MARGIN_MS
}

/** Every inequality these times violate; empty: fencing is sound with them. */
export function timingProblems(times: FenceTimes): readonly TimingProblem[] {
  return [...leaseProblems(times), ...(times.selfFence === undefined ? [] : selfFenceProblems(times, times.selfFence))]
}

function leaseProblems({ sessionTimeoutMs, cephTimeoutMs }: FenceTimes): readonly TimingProblem[] {
  const problems: TimingProblem[] = []
  const localEndMs = Math.ceil((2 * LEASE_SESSION_MS) / 3)
  const latestMs = LEASE_SESSION_MS + 1000 - localEndMs
  if (cephTimeoutMs >= latestMs) {
    problems.push({
      rule: 'T9',
      path: 'fencing.cephTimeoutMs',
      message: `is ${cephTimeoutMs} ms, but a command of a primary whose lease has ended must be over before the next primary begins: less than ${latestMs} ms`,
    })
  }
  const leftMs = Math.floor(sessionTimeoutMs / 3)
  if (leftMs <= RECONNECT_MS) {
    problems.push({
      rule: 'T5',
      path: 'zookeeper.sessionTimeoutMs',
      message: `is ${sessionTimeoutMs} ms, which leaves ${leftMs} ms to find another server after one fell silent: ${RECONNECT_MS} ms are needed`,
    })
  }
  return problems
}

function selfFenceProblems(
  { sessionTimeoutMs }: FenceTimes,
  selfFence: NonNullable<FenceTimes['selfFence']>,
): readonly TimingProblem[] {
  const { boundMs, watchdogTimeoutS } = selfFence
  const atLeast = (rule: string, needMs: number, why: string): readonly TimingProblem[] =>
    boundMs >= needMs
      ? []
      : [{ rule, path: 'selfFence.boundMs', message: `is ${boundMs} ms, but must be at least ${needMs} ms: ${why}` }]
  const outage = `a ZooKeeper outage of ${HARMLESS_OUTAGE_MS} ms with a hung leader must not end guests (plus twice ${FEED_MS} ms)`
  const session = `the session of a node lasts ${sessionTimeoutMs} ms, and its guests must not end while it does`
  const proofMs = Math.ceil(sessionTimeoutMs / 2) + NO_QUORUM_EVERY_MS + NO_QUORUM_MS + PEER_DEADLINE_MS
  const proof = `half a session (${sessionTimeoutMs} ms), a silence of ${NO_QUORUM_MS} ms and the questions about it must pass before guests are ended for the lack of a quorum`
  const stallMs = Math.ceil(sessionTimeoutMs / 3) + HARMLESS_STALL_MS
  const stall = `a stall of ${HARMLESS_STALL_MS} ms after a third of the session (${sessionTimeoutMs} ms) must not end guests`
  const feeds: TimingProblem[] = []
  if (watchdogTimeoutS * 1000 < 4 * FEED_MS) {
    const message = `is ${watchdogTimeoutS} s, but the guard feeds the watchdog each ${FEED_MS} ms and needs a reserve of four times that`
    feeds.push({ rule: 'T2', path: 'selfFence.watchdog.timeoutS', message })
  }
  return [
    ...feeds,
    ...atLeast('T4', HARMLESS_OUTAGE_MS + 2 * FEED_MS, outage),
    ...atLeast('T4', sessionTimeoutMs + 2 * FEED_MS, session),
    ...atLeast('T6', proofMs, proof),
    ...atLeast('T10', stallMs, stall),
  ]
}
