import type { Clock } from '../../base/clock.ts'
import type { Limiter } from '../../base/limiter.ts'
import type { Fault } from '../../model/fault.ts'
import type { LifeId, NodeName, VmUuid } from '../../model/ids.ts'
import type { Ceph } from '../../ports/ceph.ts'
import type { NodeFiles } from '../../ports/files.ts'
import type { Hypervisor } from '../../ports/hypervisor.ts'
import type { Log } from '../../ports/log.ts'
import type { Peers } from '../../ports/peer.ts'
import type { StoreSession } from '../../ports/store.ts'
import type { ForeignSeqs } from '../keepalive/foreign-seqs.ts'
import type { OwnBlocklistWatch } from '../quarantine/own-blocklist.ts'

/** The right to act: the life that is certified in this very session (protocol N1). */
export type Certificate = { readonly session: StoreSession; readonly life: LifeId }

/** Highest run.seq this node has seen, per VM. */
export type SeqGuard = {
  /** Notes `seq` when it is news. @returns false when a higher one was seen before: the store went backwards. */
  check(uuid: VmUuid, seq: number): boolean
}

/** Faults of this node, level-triggered. */
export type FaultSink = {
  set(id: string, severity: Fault['severity'], message: string): void
  clear(id: string): void
}

/** Everything the domain reconcilers need from the world. */
export type DomainPorts = {
  readonly self: NodeName
  /** Undefined: not certified now; nothing may be done. */
  readonly certificate: () => Certificate | undefined
  readonly hypervisor: Hypervisor
  readonly ceph: Ceph
  readonly files: NodeFiles
  readonly clock: Clock
  readonly log: Log
  readonly faults: FaultSink
  readonly seqs: SeqGuard
  readonly foreignSeqs: ForeignSeqs
  /** Bounds starts that run at once on this node. */
  readonly starts: Limiter
  /** Whether Ceph shuts this node out. */
  readonly blocklist: Pick<OwnBlocklistWatch, 'recent'>
  /** A complete copy is also told its source directly. */
  readonly peers: Pick<Peers, 'wake'>
  readonly storageAddresses: readonly string[]
  readonly shutdownTimeoutMs: number
  readonly createTimeoutMs: number
}
