import type { VmDocument, VmStatus } from '../../model/domain.ts'
import type { LifeId, NodeName, VmUuid } from '../../model/ids.ts'
import type { VmMemory } from './memory.ts'

/** Owner mark as it stands in a domain's metadata and in a permit. */
export type Mark = { readonly life: LifeId; readonly seq: number }

/** A domain of the VM as libvirt shows it here. */
export type LocalDomain = {
  /** False: only a persistent definition is left. */
  readonly isActive: boolean
  readonly isPaused: boolean
  /** QEMU is being started: libvirt lists the domain, its CPUs have not run yet. */
  readonly isStarting: boolean
  readonly reason: string
  readonly mark: Mark | undefined
  readonly migrationId: string | undefined
}

/** Everything the decision about one VM needs, read at once. */
export type VmObservation = {
  readonly uuid: VmUuid
  readonly self: NodeName
  /** The life under which this node may act. */
  readonly life: LifeId
  readonly nowMs: number
  readonly wallMs: number
  /** Read from the store in this pass, not from the index. */
  readonly spec: VmDocument | undefined
  readonly status: VmStatus | undefined
  readonly domain: LocalDomain | undefined
  readonly isCreateOutstanding: boolean
  readonly qemuPid: number | undefined
  readonly permit: Mark | undefined
  /** False: the run record is older than one this node has seen; nothing may be done with it. */
  readonly isSeqTrusted: boolean
  readonly shutdownTimeoutMs: number
  readonly createTimeoutMs: number
  readonly memory: VmMemory
}
