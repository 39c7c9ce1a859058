import type { FenceJournal } from '../../model/fence.ts'
import type { BootId, LifeId } from '../../model/ids.ts'
import type { NodeAlive } from '../../model/node.ts'

/** A znode `alive` as it was read. */
export type SeenAlive = { readonly value: NodeAlive; readonly version: number; readonly ephemeralOwner: string }

/** What is needed to decide about `alive`. */
export type AliveSnapshot = {
  /** Id of the session in which everything here was read. */
  readonly sessionId: string
  readonly life: LifeId
  /** Undefined: this machine has no id; then only its life proves that an older `alive` is its own. */
  readonly machineId: string | undefined
  readonly alive: SeenAlive | undefined
}

/** Next step towards an `alive` of this session. */
export type AliveDecision =
  | { readonly kind: 'owned' }
  | { readonly kind: 'create' }
  /** Of an older session of this machine: it would expire later and look like a death. Never absent in between. */
  | { readonly kind: 'replace'; readonly version: number }
  /** Of this session, with another life: changed in place, never absent. */
  | { readonly kind: 'update'; readonly version: number }
  /** Of somebody else: look again when it changes. */
  | { readonly kind: 'wait'; readonly reason: string }

/** Decides what to do about `alive` (protocol N1). */
export function decideAlive({ sessionId, life, machineId, alive }: AliveSnapshot): AliveDecision {
  if (alive === undefined) return { kind: 'create' }
  if (alive.ephemeralOwner === sessionId) {
    const isCurrent = alive.value.life === life && alive.value.machineId === machineId
    return isCurrent ? { kind: 'owned' } : { kind: 'update', version: alive.version }
  }
  const isSameMachine = machineId !== undefined && alive.value.machineId === machineId
  if (alive.value.life === life || isSameMachine) return { kind: 'replace', version: alive.version }
  return {
    kind: 'wait',
    reason: 'another machine, or an older installation of this one, is registered under this name',
  }
}

/** What the journal says to a node whose `alive` is in place. `read` means: in the same session, after `alive` was written. */
export type CertificationDecision =
  | { readonly kind: 'certified' }
  /** The node has to go through quarantine (protocol N7). */
  | { readonly kind: 'fenced'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * Decides whether this life may run guests (protocol N1). Anything but a closed journal forbids it, whatever life it names.
 * `held`: why this node keeps itself from running guests.
 */
export function decideCertification(
  life: LifeId,
  journal: FenceJournal | undefined,
  held?: string,
): CertificationDecision {
  if (journal === undefined) {
    return { kind: 'refused', reason: 'its fence journal is missing, so it cannot be told whether it was fenced' }
  }
  if (journal.state !== 'closed') {
    return { kind: 'fenced', reason: `its fence journal is ${journal.state}: it is being fenced or was fenced` }
  }
  if (journal.deadLives.includes(life)) return { kind: 'fenced', reason: 'its present life was fenced' }
  if (held !== undefined) return { kind: 'fenced', reason: held }
  return { kind: 'certified' }
}

/** Where a life can come from. */
export type LifeSources = {
  readonly bootId: BootId
  /** Kept in /run by an earlier daemon of this boot. */
  readonly kept: LifeId | undefined
  /** The node's last status document. */
  readonly published: { readonly life: LifeId; readonly bootId: BootId } | undefined
}

/**
 * The life to go on with, or undefined when a new one begins. The file in /run decides; when it was lost within one boot
 * the published status helps, because guests may still be running under that life.
 */
export function decideLife({ bootId, kept, published }: LifeSources): LifeId | undefined {
  return kept ?? (published?.bootId === bootId ? published.life : undefined)
}
