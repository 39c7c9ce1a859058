/** What a successor that was named has on this host already, and how long it may stay. */
import type { StoreSession } from '../ports/store.ts'
import type { CoordinatorDeps } from './deps.ts'
import type { Roles } from './roles.ts'
import { Term } from './term.ts'

/**
 * The word of the reigning primary that this node is to take over. It holds as long as it is said and ZooKeeper is heard, by
 * the same clock as a reign: who is cut off does not know whether another one has taken over, and gives everything back.
 */
export class Invitation {
  readonly #deps: Pick<CoordinatorDeps, 'clock' | 'log' | 'state'>
  readonly #roles: Roles
  #term: Term | undefined

  constructor(deps: Pick<CoordinatorDeps, 'clock' | 'log' | 'state'>, roles: Roles) {
    this.#deps = deps
    this.#roles = roles
  }

  /** Prepares everything, once. Said only afterwards: the primary waits for it. */
  async accept(session: StoreSession): Promise<void> {
    if (this.#term !== undefined) return
    const { clock, log, state } = this.#deps
    const giveUp = (reason: string): void => {
      if (this.#term !== term) return
      log.warn({ reason }, 'what was prepared to take over is given up')
      void this.decline()
    }
    // Later: where ZooKeeper was not heard for long, the term is over before it is known here.
    const term: Term = new Term(session, clock, (reason) => queueMicrotask(() => giveUp(reason)))
    this.#term = term
    if (term.ended.aborted) return
    await this.#roles.prepare(true)
    if (!term.ended.aborted) state.set('takeover')
  }

  /** The handover does not come: nothing stays of what was prepared. */
  async decline(): Promise<void> {
    if (!this.#end('this node is not to take over')) return
    this.#deps.state.set('secondary')
    await this.#roles.drop()
  }

  /** The reign of this node goes on with what was prepared. */
  fulfil(): void {
    this.#end('this node has taken over')
  }

  #end(reason: string): boolean {
    const term = this.#term
    this.#term = undefined
    term?.end(reason)
    return term !== undefined
  }
}
