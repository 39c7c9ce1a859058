/**
 * The heartbeat: what this node is and does, and the statistics of all its VMs, in two documents. It waits for nothing but
 * ZooKeeper itself, so that a hanging libvirt or Ceph never makes the node look dead.
 */
import type { Clock } from '../../base/clock.ts'
import { Reconciler } from '../../base/reconciler.ts'
import type { Signal } from '../../base/signal.ts'
import { errorChain, hasCode } from '../../model/errors.ts'
import type { NodeName } from '../../model/ids.ts'
import type { CoordinatorState, DaemonState, DomainState, NodeSeqs, NodeStats, NodeStatus } from '../../model/node.ts'
import type { Log } from '../../ports/log.ts'
import { tree } from '../../schema/tree.ts'
import type { FaultBoard } from '../faults.ts'
import type { Membership, Presence } from '../membership/membership.ts'
import type { SelfFenceStatus } from '../self-fence/decide.ts'
import type { Collector } from './collector.ts'
import { decideHeartbeat } from './decide.ts'
import { createDocumentWriter, type DocumentWriter } from './document-writer.ts'
import { fitStats, fitStatus, statusNewsKey, urgentKey } from './documents.ts'
import { hostResources, type Promised, runningNow } from './resources.ts'
import type { SeqKeeper } from './seq-guard.ts'

/** Facts of the operating system and the release, which do not change while the daemon runs. */
export type HostIdentity = {
  readonly pvc: string
  readonly kernel: string
  readonly os: string
  readonly arch: string
  readonly cpuModel?: string | undefined
}

export type HeartbeatOptions = {
  readonly self: NodeName
  readonly identity: HostIdentity
  readonly coordinator: Signal<CoordinatorState>
  readonly storageAddresses: readonly string[]
  readonly clusterAddress: string
  readonly intervalMs: number
  readonly membership: Membership
  readonly collector: Collector
  readonly faults: FaultBoard
  readonly seqs: SeqKeeper
  readonly daemon: Signal<DaemonState>
  readonly domainState: () => DomainState
  /** Sequence of the fence journal acknowledged by this daemon; undefined: what was published before stands. */
  readonly ack: Signal<number | undefined>
  readonly selfFence: { status(): SelfFenceStatus; isLatched(): boolean }
  /** Promised to VMs other than those that run. */
  readonly promised: (running: ReadonlySet<string>) => Promised
  readonly clock: Clock
  readonly log: Log
}

const UNKNOWN = 'unknown'
const REDUCED =
  'The statistics of all VMs of this node do not fit into one document; device figures of some are left out.'

/** The heartbeat; nothing is written before `start`, nor without presence. */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #writers: {
    readonly status: DocumentWriter<NodeStatus>
    readonly stats: DocumentWriter<NodeStats>
    readonly seqs: DocumentWriter<NodeSeqs>
  }
  readonly #loop: Reconciler
  readonly #unsubscribes: (() => void)[] = []
  #beat: number | undefined
  #beats = 0
  #written = blank(undefined)
  #publishedSeqs = -1

  constructor(options: HeartbeatOptions) {
    this.#options = options
    const keys = tree.node(options.self)
    this.#writers = {
      status: createDocumentWriter(keys.status),
      stats: createDocumentWriter(keys.stats),
      seqs: createDocumentWriter(keys.seqs),
    }
    this.#loop = new Reconciler({
      clock: options.clock,
      pass: () => this.#pass(),
      rescanMs: options.intervalMs,
      retryMs: Math.min(500, options.intervalMs / 5),
      onError: (error) => this.#onError(error),
    })
  }

  /** Status documents written since the start. */
  get beats(): number {
    return this.#beats
  }

  /** What the status document says about the self-fence for certain; undefined: nothing in this session, or a write is under way. */
  get publishedSelfFence(): NodeStatus['selfFence'] | undefined {
    return this.#options.membership.presence()?.session === this.#written.session ? this.#written.selfFence : undefined
  }

  /** Something may have changed: it is written when it is news. */
  trigger(): void {
    this.#loop.trigger()
  }

  start(): void {
    const { membership, daemon, faults, coordinator, ack } = this.#options
    const trigger = () => this.#loop.trigger()
    for (const source of [membership.state, daemon, faults, coordinator, ack])
      this.#unsubscribes.push(source.subscribe(trigger))
    trigger()
  }

  /** Stops beating and writes the present state once more. @returns false when that could not be written */
  async finish(): Promise<boolean> {
    for (const unsubscribe of this.#unsubscribes) unsubscribe()
    await this.#loop.stop()
    const presence = this.#options.membership.presence()
    if (presence === undefined) return false
    try {
      await this.#writeStatus(presence, this.#currentStatus(presence))
      if (this.#isSeqsDue()) await this.#writeSeqs(presence)
      return true
    } catch (error) {
      this.#options.log.warn({ error: errorChain(error) }, 'the last status could not be written')
      return false
    }
  }

  async #pass(): Promise<{ readonly wakeInMs: number }> {
    const { membership, collector, seqs, intervalMs, clock } = this.#options
    collector.judge()
    // A disk that could not be written is tried again; nobody waits for it.
    void seqs.flushed()
    const presence = membership.presence()
    // Without a session there is nobody to tell; membership triggers when there is.
    if (presence === undefined) return { wakeInMs: intervalMs }
    if (presence.session !== this.#written.session) {
      this.#written = blank(presence.session)
      // A store that lost writes may have lost what was published, too.
      this.#publishedSeqs = -1
    }
    const status = this.#currentStatus(presence)
    const { write, wakeInMs } = decideHeartbeat({
      nowMs: clock.nowMs(),
      intervalMs,
      statusWrittenAtMs: this.#written.statusAtMs,
      statsWrittenAtMs: this.#written.statsAtMs,
      isStatusNews: statusNewsKey(status) !== this.#written.newsKey,
      isUrgent: urgentKey(status) !== this.#written.urgentKey,
      isStatsNews: collector.guestsRevision !== this.#written.statsRevision,
    })
    if (write.includes('status')) await this.#writeStatus(presence, status)
    if (write.includes('stats')) await this.#writeStats(presence)
    // With the status, so that a storm of starts does not become a storm of writes.
    if (write.length > 0 && this.#isSeqsDue()) await this.#writeSeqs(presence)
    return { wakeInMs: this.#isSeqsDue() ? Math.min(wakeInMs, intervalMs / 5) : wakeInMs }
  }

  #isSeqsDue(): boolean {
    return this.#options.seqs.revision !== this.#publishedSeqs
  }

  #currentStatus({ life, bootId, session }: Presence): NodeStatus {
    const { self, identity, membership, collector, domainState, promised } = this.#options
    const previous = membership.previousStatus
    this.#beat ??= previous?.heartbeat ?? 0
    const facts = collector.facts()
    const { selfFence, watchdog, selfFenceBoundS } = this.#options.selfFence.status()
    const ofThisBoot = previous?.bootId === bootId ? previous : undefined
    const guests = runningNow(collector, ofThisBoot)
    const resources = hostResources(collector, ofThisBoot?.resources, guests, promised(new Set(guests.runningDomains)))
    return fitStatus({
      name: self,
      heartbeat: this.#beat,
      life,
      bootId,
      selfFence,
      watchdog,
      ...(selfFenceBoundS === undefined ? {} : { selfFenceBoundS }),
      sessionTimeoutMs: session.timeoutMs,
      storageAddrs: [...this.#options.storageAddresses],
      clusterAddr: this.#options.clusterAddress,
      ack: this.#options.ack.value ?? previous?.ack ?? 0,
      daemon: this.#options.daemon.value,
      certified: membership.certificate() !== undefined && !this.#options.selfFence.isLatched(),
      domainState: domainState(),
      coordinator: this.#options.coordinator.value,
      versions: {
        pvc: identity.pvc,
        libvirt: facts?.libvirtVersion ?? UNKNOWN,
        qemu: facts?.qemuVersion ?? UNKNOWN,
        kernel: identity.kernel,
      },
      os: identity.os,
      arch: identity.arch,
      ...(identity.cpuModel === undefined ? {} : { cpuModel: identity.cpuModel }),
      ...(collector.host() === undefined ? {} : { bridges: [...(collector.host()?.bridges ?? [])] }),
      ...(resources === undefined ? {} : { resources }),
      runningDomains: guests.runningDomains,
      domainsCount: guests.domainsCount,
      incoming: [],
      faults: [...this.#options.faults.list()],
    })
  }

  async #writeStatus({ session }: Presence, status: NodeStatus): Promise<void> {
    this.#beat = status.heartbeat + 1
    const statusAtMs = this.#options.clock.nowMs()
    if (session !== this.#written.session) this.#written = blank(session)
    // Until it is acknowledged the document may say the one or the other.
    if (this.#written.selfFence !== status.selfFence) this.#written = { ...this.#written, selfFence: undefined }
    if (this.#written.urgentKey !== urgentKey(status)) this.#written = { ...this.#written, urgentKey: undefined }
    await this.#writers.status.write(session, { ...status, heartbeat: this.#beat })
    const { selfFence } = status
    const keys = { newsKey: statusNewsKey(status), urgentKey: urgentKey(status) }
    this.#written = { ...this.#written, statusAtMs, selfFence, ...keys }
    this.#beats += 1
  }

  async #writeStats({ session }: Presence): Promise<void> {
    const { collector, faults, clock } = this.#options
    const statsRevision = collector.guestsRevision
    const statsAtMs = clock.nowMs()
    const guests = collector.guests()?.guests ?? []
    const fitted = fitStats({ heartbeat: this.#beat ?? 0, guests: [...guests], interfaces: collector.interfaces() })
    if (fitted.isReduced) faults.set('STATISTICS_REDUCED', 'warning', REDUCED)
    else faults.clear('STATISTICS_REDUCED')
    await this.#writers.stats.write(session, fitted.stats)
    this.#written = { ...this.#written, statsAtMs, statsRevision }
  }

  async #writeSeqs({ session }: Presence): Promise<void> {
    const { seqs } = this.#options
    const { revision } = seqs
    await this.#writers.seqs.write(session, { seqs: seqs.snapshot() })
    this.#publishedSeqs = revision
  }

  #onError(error: unknown): void {
    const isOutage = hasCode(error, 'PVC_STORE_SESSION_LOST', 'PVC_STORE_UNAVAILABLE', 'PVC_STORE_TIMEOUT')
    this.#options.log[isOutage ? 'info' : 'error']({ error: errorChain(error) }, 'the heartbeat was not written')
  }
}

/** What was written in which session, and when. */
type Written = {
  readonly session: Presence['session'] | undefined
  readonly statusAtMs: number | undefined
  readonly statsAtMs: number | undefined
  readonly newsKey: string
  readonly selfFence: NodeStatus['selfFence'] | undefined
  readonly urgentKey: string | undefined
  readonly statsRevision: number
}

/** Nothing is known to be written in a new session; statistics wait for their first sample. */
function blank(session: Presence['session'] | undefined): Written {
  const never = { statusAtMs: undefined, statsAtMs: undefined, selfFence: undefined, urgentKey: undefined }
  return { session, ...never, newsKey: '', statsRevision: 0 }
}
