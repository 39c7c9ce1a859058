import type { Clock } from '../../base/clock.ts'

export type ChallengeOptions = {
  readonly clock: Clock
  /** A fresh unguessable text. */
  readonly newToken: () => string
  /** A challenge is replaced after this time; it is accepted for as long again. Default 60 s. */
  readonly lifetimeMs?: number
  /** ...or after this many requests, which bounds the memory. Default 10,000. */
  readonly maxNonces?: number
}

/** Verdict on an authentic request. `stale`: it must be sent again under the present challenge. */
export type Admission = 'admitted' | 'stale' | 'replayed'

type Epoch = { readonly challenge: string; readonly beganAtMs: number; readonly nonces: Set<string> }

/**
 * Refuses requests that were sent before: each challenge of this process is good for a short while, and as long as it is, every
 * nonce used with it is remembered. Only for requests whose HMAC is right, or a stranger could fill the memory.
 */
export class Challenges {
  readonly #options: Required<ChallengeOptions>
  #current: Epoch
  #previous: Epoch | undefined

  constructor(options: ChallengeOptions) {
    this.#options = { lifetimeMs: 60_000, maxNonces: 10_000, ...options }
    this.#current = this.#begin()
  }

  /** The challenge to send requests under now. */
  current(): string {
    this.#turn()
    return this.#current.challenge
  }

  /** Judges a request and remembers its nonce. */
  admit(challenge: string, nonce: string): Admission {
    this.#turn()
    const epoch = [this.#current, this.#previous].find((each) => each?.challenge === challenge)
    if (epoch === undefined) return 'stale'
    if (epoch.nonces.has(nonce)) return 'replayed'
    epoch.nonces.add(nonce)
    return 'admitted'
  }

  #turn(): void {
    const { clock, lifetimeMs, maxNonces } = this.#options
    const ageMs = clock.nowMs() - this.#current.beganAtMs
    if (ageMs < lifetimeMs && this.#current.nonces.size < maxNonces) return
    this.#previous = ageMs < 2 * lifetimeMs ? this.#current : undefined
    this.#current = this.#begin()
  }

  #begin(): Epoch {
    return { challenge: this.#options.newToken(), beganAtMs: this.#options.clock.nowMs(), nonces: new Set() }
  }
}
