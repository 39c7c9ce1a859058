import type { Migration, MovePolicy, RunRecord, VmArrival, VmSpec, VmStatus } from '../../model/domain.ts'
import type { NodeName } from '../../model/ids.ts'
import type { Mark } from './observation.ts'

/** Change of a VM's status document; `run` given: the record changes hands and seq is raised. */
export type StatusPatch = Partial<Omit<VmStatus, 'seq' | 'run'>> & { readonly run?: RunRecord | null }

/** One thing to do for a VM. After each, the world is looked at again. */
export type VmAction =
  /** Compare-and-set of the status: take, release or plain news. */
  | { readonly kind: 'write'; readonly why: string; readonly patch: StatusPatch }
  | { readonly kind: 'start'; readonly mark: Mark; readonly spec: VmSpec; readonly isExitUnclean: boolean }
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'destroy'; readonly why: string }
  /** Destroy only after a sync and a second look at the record. */
  | { readonly kind: 'destroy-foreign'; readonly why: string }
  | { readonly kind: 'undefine' }
  | { readonly kind: 'revoke-permit' }
  /** Blocklist what a dead QEMU of ours left on the volumes, so that the next node finds them free. */
  | { readonly kind: 'clean-volumes'; readonly spec: VmSpec }
  /** Source: ask libvirt for the copy; the call goes on by itself. */
  | {
      readonly kind: 'copy'
      readonly migration: Migration
      readonly policy: MovePolicy
      readonly maxDowntimeMs: number
    }
  | { readonly kind: 'abort-copy' }
  /** Source: the copy is complete, so end our own QEMU for good, then hand the record over by `patch`. */
  | { readonly kind: 'end-source'; readonly patch: StatusPatch }
  /** Source: libvirt left the guest paused and no copy is complete: let it run on. */
  | { readonly kind: 'resume' }
  /** Target: what the source waits for; `tell`: the source, where the guest stands still until it knows. */
  | { readonly kind: 'say-arrival'; readonly arrival: VmArrival; readonly tell?: NodeName }
  | { readonly kind: 'expect-copy'; readonly migrationId: string }
  | { readonly kind: 'expect-no-copy' }
  /** Target: the record is ours, so the copy becomes ours and runs. */
  | { readonly kind: 'adopt'; readonly mark: Mark }
  | { readonly kind: 'kill-orphan'; readonly pid: number }

/**
 * How an action ended. overtaken: the world changed meanwhile, look again; retryable: it failed and is tried again;
 * final: only a new wish can help.
 */
export type ActionOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'overtaken'; readonly reason: string }
  | { readonly kind: 'retryable'; readonly reason: string }
  | { readonly kind: 'final'; readonly reason: string }
