import type { Clock, Timer } from '../../base/clock.ts'
import type { MigrationProgress } from '../../model/domain.ts'
import { type FakeCopy, type FakeDomain, failed, memoryMiB } from './domain.ts'

/** The part of a fake libvirtd that copies use: first what a target does, then what a source does. */
export type FakeMigrationHost = {
  readonly clock: Clock
  readonly isUp: boolean
  beginArrival(source: FakeDomain, migrationId: string): FakeDomain
  openArrival(copy: FakeDomain): void
  completeArrival(copy: FakeDomain): void
  dropArrival(copy: FakeDomain, reason: 'failed' | 'destroyed'): void
  pauseForMigration(domain: FakeDomain): void
  resumeFromMigration(domain: FakeDomain, reason: 'migration-canceled' | 'unpaused'): void
  endMigrated(domain: FakeDomain): void
}

/** How one migration goes. Times in ms, in the order in which they pass. */
export type FakeMigrationPlan = {
  /** Until the target's QEMU waits for the copy. */
  readonly prepareMs: number
  /** While the guest runs on at the source. */
  readonly copyMs: number
  /** From the pause of the source until the copy is complete at the target. */
  readonly switchMs: number
  /** From then on until libvirt has ended the source. */
  readonly finishMs: number
  /** The target's word that the copy is complete gets lost: libvirt resumes the source although the copy is complete. */
  readonly isFinishLost: boolean
}

/** The network over which fake libvirtds copy guests to each other. */
export class FakeMigrationNetwork {
  /** How migrations go for which nothing was planned. */
  standing: FakeMigrationPlan = { prepareMs: 100, copyMs: 500, switchMs: 100, finishMs: 200, isFinishLost: false }
  /** Until one side notices that the other side, or the way to it, is gone. */
  noticeMs = 100
  readonly #hosts = new Map<string, FakeMigrationHost>()
  readonly #planned: Partial<FakeMigrationPlan>[] = []
  readonly #unreachable = new Set<string>()
  readonly #active = new Set<FakeMigration>()

  join(address: string, libvirtd: FakeMigrationHost): void {
    this.#hosts.set(address, libvirtd)
  }

  /** The next migrations go like this. */
  plan(...plans: readonly Partial<FakeMigrationPlan>[]): void {
    this.#planned.push(...plans)
  }

  /** Cuts a host off, or heals it. A copy under way from or to it breaks on both sides. */
  setReachable(address: string, isReachable: boolean): void {
    if (isReachable) this.#unreachable.delete(address)
    else this.#unreachable.add(address)
    const host = this.#hosts.get(address)
    if (!isReachable && host) for (const one of this.#active) if (one.concerns(host)) one.lineBroke()
  }

  /** Begins a copy. The promise is what the caller of migrate hears. @throws as libvirt would */
  async migrate(source: FakeMigrationHost, domain: FakeDomain, migrationId: string, address: string): Promise<void> {
    if (domain.migration) throw failed('Timed out during operation: cannot acquire state change lock')
    const target = this.#hosts.get(address)
    const unreachable = !target?.isUp || [...this.#unreachable].some((one) => this.#isEnd(one, source, target))
    if (unreachable) throw failed(`unable to connect to server at '${address}:16509': No route to host`)
    const plan = { ...this.standing, ...this.#planned.shift() }
    const migration = new FakeMigration({ network: this, source, target, domain, migrationId, plan })
    this.#active.add(migration)
    try {
      await migration.run()
    } finally {
      this.#active.delete(migration)
    }
  }

  #isEnd(address: string, source: FakeMigrationHost, target: FakeMigrationHost): boolean {
    const host = this.#hosts.get(address)
    return host === source || host === target
  }
}

type Parts = {
  readonly network: FakeMigrationNetwork
  readonly source: FakeMigrationHost
  readonly target: FakeMigrationHost
  readonly domain: FakeDomain
  readonly migrationId: string
  readonly plan: FakeMigrationPlan
}

/**
 * One peer-to-peer migration that leaves its copy paused. At no time do both sides run: before the copy is complete only
 * the source can, and whether it is resumed after that is what libvirt's two ends disagree about when a reply gets lost.
 */
export class FakeMigration implements FakeCopy {
  phase: 'prepare' | 'copy' | 'switch' | 'complete' | 'ended' = 'prepare'
  readonly #parts: Parts
  readonly #startMs: number
  #copy: FakeDomain | undefined
  #timer: Timer | undefined
  #settle: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    this.#startMs = parts.source.clock.nowMs()
  }

  /** True for both ends of it. */
  concerns(libvirtd: FakeMigrationHost): boolean {
    return libvirtd === this.#parts.source || libvirtd === this.#parts.target
  }

  run(): Promise<void> {
    const { target, domain, migrationId, plan } = this.#parts
    this.#copy = target.beginArrival(domain, migrationId)
    domain.migration = this
    this.#copy.migration = this
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      this.#after(plan.prepareMs, () => {
        this.phase = 'copy'
        if (this.#copy) target.openArrival(this.#copy)
        this.#after(plan.copyMs, () => this.#switch())
      })
    })
  }

  /** What the source tells; the target has no figures. */
  progress(of: FakeDomain): MigrationProgress | undefined {
    if (of !== this.#parts.domain) return undefined
    const { source, domain, plan } = this.#parts
    const totalMiB = memoryMiB(domain.xml)
    const elapsedMs = source.clock.nowMs() - this.#startMs - plan.prepareMs
    const share = this.phase === 'copy' ? Math.max(0, Math.min(1, elapsedMs / Math.max(1, plan.copyMs))) : 1
    const done = this.phase === 'prepare' ? 0 : share
    const remainingMiB = Math.ceil(totalMiB * (1 - done))
    const speedMiBps = Math.ceil((totalMiB * 1000) / Math.max(1, plan.copyMs))
    const expectedS = Math.ceil(remainingMiB / Math.max(1, speedMiBps))
    return { percent: Math.floor(done * 100), remainingMiB, totalMiB, dirtyMiBps: 0, speedMiBps, expectedS }
  }

  /**
   * Asked at the source, the guest goes on there. While libvirt still prepares it hears nothing, as measured; it is too late once
   * the copy is complete; at the target it ends nothing.
   */
  abort(of: FakeDomain): void {
    if (of === this.#parts.domain && this.phase !== 'complete' && this.phase !== 'prepare')
      this.#fail("operation aborted: job 'migration out' canceled by client")
  }

  /** One of the two domains has ended. */
  domainEnded(domain: FakeDomain): void {
    // A source that ends when its copy is complete has done its part.
    if (this.phase === 'ended' || this.phase === 'complete') return
    if (domain === this.#copy) {
      this.#copy = undefined
      this.#notice('internal error: qemu unexpectedly closed the monitor')
    } else this.#fail('operation failed: domain is not running')
  }

  /** One side has lost track of its domain, as after a power cut. */
  forgotten(domain: FakeDomain): void {
    if (domain === this.#copy || this.phase !== 'complete') this.domainEnded(domain)
    else {
      this.#end()
      this.#settle?.reject(failed('the connection to libvirt broke'))
    }
  }

  /** libvirtd of one side was killed. */
  libvirtdDied(host: object): void {
    if (host === this.#parts.target) {
      if (this.phase !== 'complete') this.#notice('internal error: client socket is closed')
      return
    }
    const { phase } = this
    this.#settle?.reject(failed('the connection to libvirt broke'))
    this.#end()
    if (phase === 'complete') return
    // The target ends a copy whose sender has gone; QEMU at the source sees its copy fail and goes on by itself.
    this.#dropCopy('destroyed')
    this.#resumeSource('unpaused')
  }

  /** The two ends cannot reach each other any more. */
  lineBroke(): void {
    if (this.phase === 'complete') this.#loseFinish()
    else this.#notice('internal error: client socket is closed')
  }

  #switch(): void {
    const { source, domain, plan } = this.#parts
    this.phase = 'switch'
    source.pauseForMigration(domain)
    this.#after(plan.switchMs, () => this.#complete())
  }

  #complete(): void {
    const { target, plan } = this.#parts
    const copy = this.#copy
    if (!copy) return
    this.phase = 'complete'
    copy.migration = undefined
    target.completeArrival(copy)
    if (plan.isFinishLost) this.#loseFinish()
    else this.#after(plan.finishMs, () => this.#finish())
  }

  #finish(): void {
    const { source, domain } = this.#parts
    const settle = this.#settle
    this.#end()
    if (domain.run) source.endMigrated(domain)
    settle?.resolve()
  }

  #loseFinish(): void {
    const { network } = this.#parts
    this.#after(network.noticeMs, () => {
      const settle = this.#settle
      this.#end()
      this.#resumeSource('migration-canceled')
      settle?.reject(failed('internal error: client socket is closed'))
    })
  }

  #notice(message: string): void {
    if (this.phase === 'ended') return
    this.#after(this.#parts.network.noticeMs, () => this.#fail(message))
  }

  #fail(message: string): void {
    if (this.phase === 'ended') return
    const settle = this.#settle
    this.#end()
    this.#resumeSource('migration-canceled')
    this.#dropCopy('failed')
    settle?.reject(failed(message))
  }

  #resumeSource(reason: 'migration-canceled' | 'unpaused'): void {
    const { source, domain } = this.#parts
    if (domain.state === 'paused' && domain.reason === 'migration' && domain.run !== undefined)
      source.resumeFromMigration(domain, reason)
  }

  #dropCopy(reason: 'failed' | 'destroyed'): void {
    const copy = this.#copy
    this.#copy = undefined
    if (!copy || copy.migration !== this) return
    copy.migration = undefined
    this.#parts.target.dropArrival(copy, reason)
  }

  #end(): void {
    this.phase = 'ended'
    this.#timer?.cancel()
    this.#parts.domain.migration = undefined
  }

  #after(delayMs: number, next: () => void): void {
    this.#timer?.cancel()
    this.#timer = this.#parts.source.clock.setTimer(delayMs, next)
  }
}
