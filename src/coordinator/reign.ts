/** One reign of this node: from the lease until everything is given up. */
import { type Clock, sleep } from '../base/clock.ts'
import type { Cluster } from '../model/cluster.ts'
import type { PrimaryStatus } from '../model/coordinator.ts'
import { errorChain } from '../model/errors.ts'
import type { NodeName } from '../model/ids.ts'
import type { FaultBoard } from '../ports/faults.ts'
import type { Log } from '../ports/log.ts'
import type { Reign } from '../ports/primary.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import { touchJournals } from './epoch.ts'
import type { MaintenanceGates } from './gate.ts'
import type { Roles } from './roles.ts'
import { StatusWriter } from './status.ts'
import { Term } from './term.ts'

/** A new primary begins nothing before its lease has stood this long, unless its predecessor said that it has drained (T9). */
export const TAKEOVER_WAIT_MS = 1000
/** Longest command of a role that outlives the end of its reign (a Ceph command). */
export const COMMAND_MS = 2000

export type ReignParts = {
  readonly self: NodeName
  readonly session: StoreSession
  readonly epoch: number
  /** What the predecessor left in primary/status. */
  readonly before: PrimaryStatus | undefined
  readonly roles: Roles
  readonly gates: MaintenanceGates
  readonly faults: FaultBoard
  readonly clock: Clock
  readonly log: Log
  /** Told when all roles run. */
  readonly onBegun: () => void
  /** Told once when the reign has ended, by whatever; everything is to be dropped then. */
  readonly onEnd: (reason: string) => void
  readonly onResign: (reason: string) => void
}

/** The reign of this node under one epoch. Nothing is begun before {@link ActiveReign.begin}. */
export class ActiveReign {
  readonly status: StatusWriter
  readonly #parts: ReignParts
  readonly #term: Term
  readonly #takenAtMs: number
  /** The predecessor has drained: no command of an earlier reign can be in flight. */
  readonly #isOrderly: boolean
  readonly #unsubscribes: (() => void)[] = []

  constructor(parts: ReignParts) {
    const { self, session, epoch, before, roles, faults, clock, log } = parts
    this.#parts = parts
    this.#takenAtMs = clock.nowMs()
    this.#isOrderly = before?.isRelinquished === true && before.epoch === epoch - 1
    this.status = new StatusWriter({
      session,
      clock,
      log,
      first: {
        epoch,
        node: self,
        maintenanceSeen: 0,
        successor: null,
        isRelinquished: false,
        wishSeen: before?.wishSeen ?? 0,
        wishProblem: before?.wishProblem ?? '',
        roles: [],
        faults: [],
      },
      live: () => ({ roles: [...roles.reports()], faults: [...faults.list()] }),
    })
    this.#term = new Term(session, clock, (reason) => queueMicrotask(() => parts.onEnd(reason)))
    this.#unsubscribes.push(
      faults.subscribe(() => this.status.trigger()),
      parts.gates.onDrained(() => void this.acknowledgeMaintenance()),
      session.onChange((path) => path === tree.cluster.path && void this.acknowledgeMaintenance()),
    )
  }

  get ended(): AbortSignal {
    return this.#term.ended
  }

  /** Journals first, then the wait, then the roles in their order. @throws PvcError when a journal could not be touched */
  async begin(): Promise<void> {
    const { session, epoch, faults, clock, log, roles } = this.#parts
    this.#reportJournals(await touchJournals(session, epoch, log))
    this.status.trigger()
    if (!this.#isOrderly) {
      void roles.prepare(false)
      await sleep(clock, this.#takenAtMs + TAKEOVER_WAIT_MS - clock.nowMs(), this.ended)
    }
    if (this.ended.aborted) return
    log.info({ epoch, orderly: this.#isOrderly, faults: faults.list().length }, 'primary')
    void this.#watchMaintenance()
    await roles.start(this.#reign())
    this.status.trigger()
    if (!this.ended.aborted) this.#parts.onBegun()
  }

  /** Roles reported something new. */
  onRoles(): void {
    const failed = this.#parts.roles.reports().filter(({ state }) => state === 'failed')
    this.#parts.faults.replace(
      'ROLE_FAILED',
      failed.map(({ name, reason }) => ({
        id: `ROLE_FAILED:${name}`,
        severity: 'error',
        message: `The primary ${this.#parts.self} cannot do its duty "${name}", and tries it again by itself: ${reason}.`,
      })),
    )
    this.status.trigger()
  }

  /** Ends the right to act: no command starts from now on. */
  end(reason: string): void {
    this.#term.end(reason)
  }

  /** Stops writing; to be called once the roles are given up. */
  async close(): Promise<void> {
    for (const unsubscribe of this.#unsubscribes.splice(0)) unsubscribe()
    await this.status.stop()
    for (const { id } of this.#parts.faults.list()) this.#parts.faults.clear(id)
  }

  /**
   * Says up to which generation of the cluster document maintenance is obeyed (protocol P8). After a predecessor that did
   * not drain, commands of its may still be in flight for a while, so nothing is said before.
   */
  async acknowledgeMaintenance(): Promise<void> {
    const { session, gates, log } = this.#parts
    if (this.ended.aborted) return
    try {
      await session.readWatched(tree.cluster.path)
      const cluster = await gates.look(session)
      if (cluster === undefined || this.ended.aborted || !this.#mayAcknowledge(cluster)) return
      this.status.patch({ maintenanceSeen: cluster.generation })
    } catch (error) {
      log.info({ error: errorChain(error) }, 'maintenance could not be read')
    }
  }

  #mayAcknowledge({ maintenance }: Cluster): boolean {
    if (!maintenance.on) return true
    if (this.#parts.gates.inFlight > 0) return false
    const quietFromMs = this.#takenAtMs + this.#parts.session.timeoutMs + COMMAND_MS
    return this.#isOrderly || this.#parts.clock.nowMs() >= quietFromMs
  }

  /** Looks at once, again when it may acknowledge whatever there is, and at each change by its watch. */
  async #watchMaintenance(): Promise<void> {
    const { clock, session } = this.#parts
    await this.acknowledgeMaintenance()
    await sleep(clock, this.#takenAtMs + session.timeoutMs + COMMAND_MS - clock.nowMs(), this.ended)
    await this.acknowledgeMaintenance()
  }

  #reportJournals(unreadable: readonly NodeName[]): void {
    this.#parts.faults.replace(
      'JOURNAL_UNREADABLE',
      unreadable.map((node) => ({
        id: `JOURNAL_UNREADABLE:${node}`,
        severity: 'critical',
        message: `The fence journal of node ${node} cannot be read, so the node can neither be fenced nor return.`,
      })),
    )
  }

  #reign(): Reign {
    const { self: node, epoch, session, faults, gates, onResign } = this.#parts
    const right = { session, ended: this.ended, validForMs: () => this.#term.validForMs() }
    return { node, epoch, ...right, faults, maintenance: gates.gate(right), resign: onResign }
  }
}
