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
/** Result of a fence test of one node. Writer: the primary. */
export const Readiness = z.object({
  node: NodeName,
  /** Wall time, for display only. */
  at: z.number(),
  /** Raised by each test, also the operator's. */
  run: z.number().int().nonnegative(),
  checks: z.array(ReadinessCheck),
})
export type Readiness = z.infer<typeof Readiness>

/** An operator's wish for a test of one node. Writer: the API. It is answered by a {@link Readiness} with `run` at least `wish`. */
export const FenceTestWish = z.object({
  wish: z.number().int().positive(),
  by: z.string(),
  /** Wall time, for display only. */
  at: z.number(),
})
export type FenceTestWish = z.infer<typeof FenceTestWish>

/** How bad it is. ready: by power and by its own guard. weak: by one of them. unready: not at all. */
export type ReadinessGrade = 'ready' | 'weak' | 'unready'

/** Storage must be closed in every case; beyond that the node must be proven off, or have ended its guests by itself. */
export function readinessGrade(checks: readonly ReadinessCheck[]): ReadinessGrade {
  const isOk = (name: ReadinessCheck['name']) => checks.find((check) => check.name === name)?.isOk === true
  const byItself = isOk('self-fence') && isOk('timing')
  if (!isOk('blocklist') || (!isOk('power') && !byItself)) return 'unready'
  return isOk('power') && byItself ? 'ready' : 'weak'
}
