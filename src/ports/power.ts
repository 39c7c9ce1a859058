import type { NodeName } from '../model/ids.ts'
import type { PowerAccess, PowerDocument } from '../model/power.ts'

/** What a power controller answered. Nothing but `off`, read back, is evidence. */
export type PowerAnswer =
  | { readonly kind: 'on' }
  | { readonly kind: 'off' }
  /** The command was taken; its effect is not known yet. */
  | { readonly kind: 'accepted' }
  /** Login refused, or no session: the text of the tools does not tell a wrong password from an unknown user. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }

/**
 * Switches the power of other machines. One attempt per call, bounded, never throws for what a controller does; the child is
 * killed when `signal` aborts (its effect may come later all the same).
 */
export type Power = {
  status(access: PowerAccess, options: PowerCall): Promise<PowerAnswer>
  off(access: PowerAccess, options: PowerCall): Promise<PowerAnswer>
  on(access: PowerAccess, options: PowerCall): Promise<PowerAnswer>
}

export type PowerCall = { readonly node: string; readonly deadlineMs: number; readonly signal: AbortSignal }

/** Seals and opens power accesses under the cluster key. */
export type PowerVault = {
  /** The document a node publishes; each time with another nonce. */
  document(node: NodeName, access: PowerAccess): PowerDocument
  /** Tells whether two accesses of one node are equal without showing them. */
  fingerprint(node: NodeName, access: PowerAccess): string
  /** @throws PvcError PVC_STATE_REFUSED when it was sealed under another key or for another node */
  open(node: NodeName, document: PowerDocument): PowerAccess
}
