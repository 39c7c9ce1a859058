/**
 * How long the ZooKeeper server of this machine has surely not been part of a quorum (protocol T6). More than half of the
 * coordinators saying so proves to a node that has lost contact that nobody can have seen it die.
 */
import type { Clock, Timer } from '../../base/clock.ts'
import { shareNext } from '../../base/share-next.ts'
import type { LocalServer, ServerState } from '../../ports/peer.ts'

/** A row of samples without one that served, on the local monotonic clock. */
export type Row = {
  /** True once a ZooKeeper server was heard at this address: only then does a refusal mean that it is down. */
  readonly wasHeard: boolean
  /** When the first sample of the present row was asked for; undefined: the last one served, or said nothing. */
  readonly sinceMs: number | undefined
  readonly lastMs: number
}

/** Nothing is known yet. */
export const NO_ROW: Row = { wasHeard: false, sinceMs: undefined, lastMs: Number.NEGATIVE_INFINITY }

/** Samples further apart than this say nothing about the time between: this process was frozen, or very busy. */
const MAX_GAP_MS = 1000

/**
 * The row after one more sample, asked for at `askedAtMs`. Silence ends the row: a server that is too busy for its clients may
 * still vote.
 */
export function nextRow(row: Row, askedAtMs: number, state: ServerState): Row {
  const wasHeard = row.wasHeard || state === 'serving' || state === 'not-serving'
  const isOut = state === 'not-serving' || (state === 'refused' && wasHeard)
  const isUnbroken = row.sinceMs !== undefined && askedAtMs - row.lastMs <= MAX_GAP_MS
  return { wasHeard, sinceMs: isOut ? (isUnbroken ? row.sinceMs : askedAtMs) : undefined, lastMs: askedAtMs }
}

/** Length of the row, up to the moment its last sample was asked for. */
export function rowLengthMs(row: Row): number {
  return row.sinceMs === undefined ? 0 : row.lastMs - row.sinceMs
}

const INTERVAL_MS = 250
/** Two of them fit into the deadline of a question: the one under way, and the one that was asked for. */
const SAMPLE_MS = 450

/** Samples from `start` to `stop`. */
export class QuorumSampler {
  readonly #clock: Clock
  readonly #server: LocalServer
  readonly #sample: () => Promise<Row>
  #row = NO_ROW
  #timer: Timer | undefined
  #isStopped = false

  constructor(clock: Clock, server: LocalServer) {
    this.#clock = clock
    this.#server = server
    this.#sample = shareNext(async () => {
      const askedAtMs = this.#clock.nowMs()
      this.#row = nextRow(this.#row, askedAtMs, await this.#server.state(SAMPLE_MS))
      return this.#row
    })
  }

  start(): void {
    void this.#sample().then(() => {
      if (!this.#isStopped) this.#timer = this.#clock.setTimer(INTERVAL_MS, () => this.start())
    })
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** By a sample that is asked for after this call, so that the proof reaches up to now. */
  async notServingForMs(): Promise<number> {
    return rowLengthMs(await this.#sample())
  }
}
