import type { Clock } from '../base/clock.ts'
import type { DocumentIndex } from './document-index.ts'
import { primaryNode } from './view.ts'

/** For how long nobody has held the primary's lease, as this process has seen it. */
export class PrimaryAbsence {
  readonly #index: DocumentIndex
  readonly #clock: Clock
  #sinceMs: number | undefined

  constructor({ index, clock }: { readonly index: DocumentIndex; readonly clock: Clock }) {
    this.#index = index
    this.#clock = clock
    // An index that has read nothing yet says so by its first change, and nothing was missing before.
    if (index.isUsable) this.#look()
    index.onChange(() => this.#look())
  }

  /** Milliseconds; 0 while there is a primary. */
  forMs(): number {
    return this.#sinceMs === undefined ? 0 : this.#clock.nowMs() - this.#sinceMs
  }

  #look(): void {
    this.#sinceMs = primaryNode(this.#index) === undefined ? (this.#sinceMs ?? this.#clock.nowMs()) : undefined
  }
}
