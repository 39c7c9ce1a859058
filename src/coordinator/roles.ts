import type { Clock } from '../base/clock.ts'
import type { RoleReport } from '../model/coordinator.ts'
import type { Log } from '../ports/log.ts'
import type { PrimaryRole, Reign } from '../ports/primary.ts'
import { RoleRunner } from './role-runner.ts'

/** A role that does not start within this time is no reason to keep the next one waiting. */
const START_MS = 2000
/** Bound of giving one role up in a handover; longer than any command of a role may take. */
const STOP_MS = 3000
/** Bound of all preparations together. */
const PREPARE_MS = 1500

/** All roles of the primary in their order: started from the first to the last, given up from the last to the first. */
export class Roles {
  readonly #runners: readonly RoleRunner[]
  readonly #clock: Clock
  /** Raised whenever the roles are to be started or given up: a start that is still on its way ends there. */
  #turn = 0

  constructor(
    roles: readonly PrimaryRole[],
    options: { readonly clock: Clock; readonly log: Log; readonly onChange: () => void },
  ) {
    this.#clock = options.clock
    this.#runners = roles.map((role) => new RoleRunner(role, options))
  }

  reports(): readonly RoleReport[] {
    return this.#runners.map(({ report }) => report)
  }

  /**
   * Prepares one role after the other, the last first: who hears of a floating address finds everything behind it. One
   * that is not ready in time does not hold up the handover.
   */
  async prepare(isInvited: boolean): Promise<void> {
    this.#turn += 1
    const turn = this.#turn
    const endMs = this.#clock.nowMs() + PREPARE_MS
    for (const runner of this.#runners.toReversed()) {
      const leftMs = endMs - this.#clock.nowMs()
      if (leftMs <= 0 || this.#turn !== turn) return
      await runner.prepare(isInvited, leftMs)
    }
  }

  /** A successor is named: what is announced here again and again would take its addresses away from it. */
  hush(): void {
    for (const runner of this.#runners) runner.hush()
  }

  /** The successor that was named does not take over. */
  async reclaim(): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.reclaim()))
  }

  /** Takes up one role after the other, as long as the reign lasts. */
  async start(reign: Reign): Promise<void> {
    this.#turn += 1
    const turn = this.#turn
    for (const runner of this.#runners) {
      if (reign.ended.aborted || this.#turn !== turn) return
      await runner.start(reign, START_MS)
    }
  }

  /** Gives up one role after the other, the last first. @returns the names of those that did not end in time */
  async stop(): Promise<readonly string[]> {
    this.#turn += 1
    const late: string[] = []
    for (const runner of this.#runners.toReversed()) {
      if (!(await runner.stop(STOP_MS))) late.push(runner.name)
    }
    return late
  }

  /** Gives up all roles at the same time, and what was prepared: the reign is over, or does not come; others may begin soon. */
  async drop(): Promise<readonly string[]> {
    this.#turn += 1
    const ended = await Promise.all(
      this.#runners.map(async (runner) => [runner.name, await runner.stop(STOP_MS)] as const),
    )
    return ended.filter(([, isOver]) => !isOver).map(([name]) => name)
  }

  async close(): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.close()))
  }
}
