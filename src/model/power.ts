import { z } from 'zod'
import { NodeName } from './ids.ts'

/**
 * How the power of a node is switched, as its configuration says. `sealed` is the whole {@link PowerAccess} as JSON,
 * AES-256-GCM under the cluster key, bound to the node's name. Writer: the node, at start when it changed.
 */
export const PowerDocument = z.object({
  method: z.enum(['ipmi', 'command', 'none']),
  /** Base64 of nonce, ciphertext and tag; empty for `none`. */
  sealed: z.string(),
  /** Hash of the access under the cluster key, so that an unchanged one is not sealed anew. */
  fingerprint: z.string(),
})
export type PowerDocument = z.infer<typeof PowerDocument>

/** What a coordinator needs to switch a node's power. Never stored or logged in the clear. */
export const PowerAccess = z.discriminatedUnion('method', [
  z.object({
    method: z.literal('ipmi'),
    host: z.string(),
    user: z.string(),
    password: z.string(),
    interface: z.enum(['lanplus', 'lan']),
    cipherSuite: z.number().int().min(0).max(17),
  }),
  z.object({
    method: z.literal('command'),
    /** argv of each action; `status` prints `on` or `off`. `{node}` stands for the node's name. */
    on: z.array(z.string()).min(1),
    off: z.array(z.string()).min(1),
    status: z.array(z.string()).min(1),
    /** Secrets for the command, by environment. */
    environment: z.record(z.string(), z.string()),
  }),
  z.object({ method: z.literal('none') }),
])
export type PowerAccess = z.infer<typeof PowerAccess>

/** One answer to "could this node be fenced now?". */
export const ReadinessCheck = z.object({
  name: z.enum(['power', 'blocklist', 'self-fence', 'timing']),
  isOk: z.boolean(),
  /** One sentence: what was found, and what to do when it is not well. */
  message: z.string(),
})
export type ReadinessCheck = z.infer<typeof ReadinessCheck>

/** What one coordinator found of one node: the checks that depend on who would fence, power and blocklist. */
export const CoordinatorTest = z.object({
  node: NodeName,
  /** Wall time, for display, and to tell one test from another. */
  at: z.number(),
  /** Number of the newest wish it answers; 0: none was ever made. */
  wish: z.number().int().nonnegative(),
  checks: z.array(ReadinessCheck),
})
export type CoordinatorTest = z.infer<typeof CoordinatorTest>

/** Whether a coordinator, if it were primary, could fence each node. Writer: that coordinator, after each test of a node. */
export const FenceReach = z.object({ coordinator: NodeName, tests: z.array(CoordinatorTest) })
export type FenceReach = z.infer<typeof FenceReach>

/** Result of a fence test of one node: {@link reachChecks}, and what the node says of itself. Writer: the primary. */
export const Readiness = z.object({
  node: NodeName,
  /** That of the primary's own test. */
  at: z.number(),
  /** Raised by each test, also the operator's. */
  run: z.number().int().nonnegative(),
  checks: z.array(ReadinessCheck),
  /** The primary that found it; absent: written by a release that did not say. */
  testedBy: NodeName.optional(),
})
export type Readiness = z.infer<typeof Readiness>

/**
 * An operator's wish for a test of one node. Writer: the API. Every running coordinator answers it
 * in its {@link FenceReach}, the primary also by a {@link Readiness} of the same `at`.
 */
export const FenceTestWish = z.object({
  wish: z.number().int().positive(),
  by: z.string(),
  /** Wall time, for display only. */
  at: z.number(),
})
export type FenceTestWish = z.infer<typeof FenceTestWish>

/** Bounds of a fence test: whoever wishes for one waits by them. */
export const FENCE_TEST_TIMES = {
  /** Asking one power controller. A status is one login; anything slower could not serve a fence. */
  statusMs: 5000,
  /** Asking Ceph everything once; when its monitors are slow, once more. */
  cephMs: 8000,
  /**
   * A power controller takes few sessions at a time, and Ceph's monitors change the map once a second: mostly a coordinator has
   * done with both after this time, so that the next one finds them free. With more than about eight nodes, or controllers that
   * do not answer, their logins do overlap.
   */
  staggerMs: 2000,
} as const

/** How bad it is. ready: by power and by its own guard. weak: by one of them. unready: not at all. */
export type ReadinessGrade = 'ready' | 'weak' | 'unready'

/** Storage must be closed in every case; beyond that the node must be proven off, or have ended its guests by itself. */
export function readinessGrade(checks: readonly ReadinessCheck[]): ReadinessGrade {
  const isOk = (name: ReadinessCheck['name']) => isWell(checks, name)
  const byItself = isOk('self-fence') && isOk('timing')
  if (!isOk('blocklist') || (!isOk('power') && !byItself)) return 'unready'
  return isOk('power') && byItself ? 'ready' : 'weak'
}

/**
 * The checks of power and blocklist that count for a node, of which the primary itself found `own`. A primary never fences
 * itself, and a host need not even reach its own power controller: for its own node count those of the other coordinator that
 * could do most if the primary died. Only without any, its own.
 */
export function reachChecks(
  primary: NodeName,
  own: CoordinatorTest,
  reaches: readonly FenceReach[],
): readonly ReadinessCheck[] {
  if (own.node !== primary) return own.checks
  const others = reaches
    .filter(({ coordinator }) => coordinator !== primary)
    .sort((a, b) => a.coordinator.localeCompare(b.coordinator))
    .flatMap(({ tests }) => tests.filter(({ node }) => node === primary))
    .map(({ checks }) => checks)
  return others.find(isAllWell) ?? others.find((checks) => isWell(checks, 'blocklist')) ?? others[0] ?? own.checks
}

function isWell(checks: readonly ReadinessCheck[], name: ReadinessCheck['name']): boolean {
  return checks.find((check) => check.name === name)?.isOk === true
}

function isAllWell(checks: readonly ReadinessCheck[]): boolean {
  return checks.every(({ isOk }) => isOk)
}

/** A coordinator that could not do for a node what the primary can. */
export type ReachGap = { readonly coordinator: NodeName; readonly node: NodeName; readonly problems: readonly string[] }

/**
 * What other coordinators could not do for this node if they were primary. A check that fails for the primary as well is not
 * repeated: then the matter is the node's. Nor does it count what a coordinator could do to itself, see {@link reachChecks}.
 */
export function reachGaps(readiness: Readiness, reaches: readonly FenceReach[]): readonly ReachGap[] {
  const { node, testedBy, checks } = readiness
  return reaches.flatMap(({ coordinator, tests }) => {
    if (coordinator === testedBy || coordinator === node) return []
    const own = tests.find((test) => test.node === node)?.checks ?? []
    const problems = own.filter(({ name, isOk }) => !isOk && isWell(checks, name)).map(({ message }) => message)
    return problems.length === 0 ? [] : [{ coordinator, node, problems }]
  })
}
