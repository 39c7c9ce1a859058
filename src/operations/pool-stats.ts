import type { Clock } from '../base/clock.ts'
import { withDeadline } from '../base/deadline.ts'
import type { PoolStats } from '../model/storage.ts'
import type { Ceph } from '../ports/ceph.ts'
import type { Log } from '../ports/log.ts'

export type PoolStatsMap = ReadonlyMap<string, PoolStats>

export type PoolStatsOptions = {
  readonly ceph: Ceph
  readonly clock: Clock
  readonly log: Log
  /** Statistics younger than this are served without asking Ceph. */
  readonly maxAgeMs?: number
}

/**
 * Usage of the pools, asked of Ceph only while somebody wants to know, one question at a time. A Ceph that hangs makes
 * the figures old, never a request slow.
 */
export class PoolStatsCache {
  readonly #options: PoolStatsOptions
  readonly #maxAgeMs: number
  #known: { readonly stats: PoolStatsMap; readonly atMs: number } | undefined
  #asking: Promise<PoolStatsMap> | undefined

  constructor(options: PoolStatsOptions) {
    this.#options = options
    this.#maxAgeMs = options.maxAgeMs ?? 5000
  }

  /** The newest figures known after waiting at most `deadlineMs`; empty when Ceph never answered. */
  async current(deadlineMs: number): Promise<PoolStatsMap> {
    const { clock } = this.#options
    if (this.#known && clock.nowMs() - this.#known.atMs < this.#maxAgeMs) return this.#known.stats
    try {
      return await withDeadline(clock, deadlineMs, 'ceph df', this.fresh())
    } catch (error) {
      this.#options.log.debug({ err: error }, 'pool statistics are not up to date')
      return this.#known?.stats ?? new Map()
    }
  }

  /** Asks Ceph now. @throws PVC_CEPH_FAILED, PVC_CEPH_TIMEOUT */
  fresh(): Promise<PoolStatsMap> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #ask(): Promise<PoolStatsMap> {
    const stats = await this.#options.ceph.poolStats()
    this.#known = { stats, atMs: this.#options.clock.nowMs() }
    return stats
  }
}
