/**
 * How long a session is certain to live still, judged by the local clock alone. The rule it must keep: the servers
 * never end the session before contact + timeout.
 *
 * Not every answer proves contact with the ensemble. A follower that was cut off from its leader goes on answering reads
 * until it notices, syncLimit later; only what passed the leader (a write, a sync) shows that the follower was not cut
 * off. And the leader itself learns of a client's requests only with the follower's next answer to its ping, every half
 * tick. So when an operation through the leader is acknowledged, what is certain is that the leader has heard of
 * requests sent LEADER_PING_MS before it.
 */

/** Half of the shipped tickTime of 500 ms, and as much again for its travel. */
export const LEADER_PING_MS = 400

/** Pause between operations through the leader on an idle session; contact is at most this plus LEADER_PING_MS old. */
export const PING_INTERVAL_MS = 500

/** Drift of two clocks over the longest timeout, and a moment for the caller to act on the answer. */
export const LEASE_MARGIN_MS = 250

/** Requests closer together than this count as one. */
const GRAIN_MS = 50

/** Keeps the sending times that the lease follows from. All times are of the monotonic clock. */
export class Lease {
  /** Sending times of acknowledged requests, oldest first, not yet known to have reached the leader. */
  readonly #sent: number[] = []
  #contactMs: number
  #lastAckMs: number

  /** `startedAtMs`: when the connection attempt began that opened the session. */
  constructor(startedAtMs: number) {
    this.#contactMs = startedAtMs
    this.#lastAckMs = startedAtMs
  }

  /** The servers are certain not to end the session before this plus its timeout. */
  get contactMs(): number {
    return this.#contactMs
  }

  /** Sending time of the newest acknowledged request of any kind. */
  get lastAckMs(): number {
    return this.#lastAckMs
  }

  /** Number of sending times kept. */
  get remembered(): number {
    return this.#sent.length
  }

  /** An operation sent at `sentAtMs` was answered. */
  acknowledge(sentAtMs: number, throughLeader: boolean): void {
    this.#lastAckMs = Math.max(this.#lastAckMs, sentAtMs)
    const newest = this.#sent.at(-1) ?? this.#contactMs
    if (sentAtMs >= newest + GRAIN_MS) this.#sent.push(sentAtMs)
    if (!throughLeader) {
      // Reads alone prove nothing; without this bound they would pile up while no leader answers.
      if (this.#sent.length > 1000) this.#sent.splice(0, 500)
      return
    }
    while (this.#sent[0] !== undefined && this.#sent[0] <= sentAtMs - LEADER_PING_MS) {
      this.#contactMs = Math.max(this.#contactMs, this.#sent.shift() ?? 0)
    }
  }

  /** Milliseconds left at `nowMs` of a session with this timeout; zero or less: nothing is certain. */
  validForMs(nowMs: number, timeoutMs: number): number {
    return this.#contactMs + timeoutMs - LEASE_MARGIN_MS - nowMs
  }
}
