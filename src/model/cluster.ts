import { z } from 'zod'
import { BootId, NodeName } from './ids.ts'

/** Cluster-wide settings. Writer: the API. */
export const Cluster = z.object({
  name: z.string().min(1),
  generation: z.number().int().nonnegative(),
  maintenance: z.object({
    on: z.boolean(),
    since: z.number(),
    by: z.string(),
    reason: z.string(),
    until: z.number().optional(),
  }),
  defaults: z.object({
    selector: z.enum(['mem', 'memprov', 'vcpus', 'load', 'vms']),
    shutdownTimeoutMs: z.number().int().positive(),
  }),
})
export type Cluster = z.infer<typeof Cluster>

/** Version of the tree. Writer: the primary at upgrade; the first daemon that finds none. */
export const SchemaVersion = z.object({ version: z.number().int().positive() })
export type SchemaVersion = z.infer<typeof SchemaVersion>

/** Ephemeral right to be primary. */
export const PrimaryLease = z.object({ node: NodeName, bootId: BootId, epoch: z.number().int().positive() })
export type PrimaryLease = z.infer<typeof PrimaryLease>

/** Raised by every takeover. */
export const PrimaryEpoch = z.object({ epoch: z.number().int().nonnegative() })
export type PrimaryEpoch = z.infer<typeof PrimaryEpoch>

export const Role = z.enum(['admin', 'operator', 'read-only'])
export type Role = z.infer<typeof Role>

/** An API token; only its SHA-256 is kept, the token itself is 256 random bits. Writer: the API. */
export const AuthToken = z.object({
  id: z.string(),
  description: z.string(),
  role: Role,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  createdAt: z.number(),
})
export type AuthToken = z.infer<typeof AuthToken>

/** One change asked of the API: who, what, when, result. */
export const AuditEntry = z.object({
  at: z.number(),
  who: z.string(),
  role: Role,
  address: z.string(),
  action: z.string(),
  target: z.string(),
  result: z.enum(['done', 'refused', 'failed']),
  message: z.string(),
  requestId: z.string(),
})
export type AuditEntry = z.infer<typeof AuditEntry>
