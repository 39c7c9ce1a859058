import { type Backoff, backoffDelayMs } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import { DeadlineError, withDeadline } from '../base/deadline.ts'
import { Reconciler } from '../base/reconciler.ts'
import type { RoleReport } from '../model/coordinator.ts'
import { errorChain } from '../model/errors.ts'
import type { Log } from '../ports/log.ts'
import type { PrimaryRole, Reign } from '../ports/primary.ts'

export type RoleRunnerOptions = {
  readonly clock: Clock
  readonly log: Log
  /** The report changed. */
  readonly onChange: () => void
}

/** A role that failed is tried again after this, doubled each time. */
const RETRY: Backoff = { firstMs: 1000, maxMs: 30_000 }
/** A running role is asked for problems this often. */
const CHECK_MS = 1000

/** Runs one role: starts it, asks how it is, starts it again alone when it fails, gives it up. One call at a time. */
export class RoleRunner {
  readonly #role: PrimaryRole
  readonly #options: RoleRunnerOptions
  readonly #loop: Reconciler
  #reign: Reign | undefined
  #preparation: { readonly isInvited: boolean; isDone: boolean } | undefined
  /** Nothing of the role is left on this host. */
  #isClean = true
  #state: RoleReport['state'] = 'stopped'
  #reason = ''
  #failures = 0
  #runningSinceMs = 0
  /** Waiters for the next end of a step. */
  readonly #waiters = new Set<() => void>()

  constructor(role: PrimaryRole, options: RoleRunnerOptions) {
    this.#role = role
    this.#options = options
    this.#loop = new Reconciler({
      clock: options.clock,
      pass: () => this.#pass(),
      rescanMs: RETRY.maxMs,
      retryMs: RETRY.firstMs,
      onError: (error) => options.log.error({ role: role.name, error: errorChain(error) }, 'a role could not be run'),
    })
  }

  get name(): string {
    return this.#role.name
  }

  get report(): RoleReport {
    return { name: this.#role.name, state: this.#state, reason: this.#reason }
  }

  /** Does what can be done beforehand; `stop` undoes it. A failure shows again at the start, which counts. */
  async prepare(isInvited: boolean, deadlineMs: number): Promise<void> {
    if (this.#reign !== undefined || this.#role.prepare === undefined) return
    const preparation = { isInvited, isDone: false }
    this.#preparation = preparation
    await this.#until(() => preparation.isDone || this.#preparation !== preparation, deadlineMs)
  }

  /** As primary: another one is about to be announced. */
  hush(): void {
    this.#role.hush?.()
  }

  /** As primary: the one that was to take over does not. */
  async reclaim(): Promise<void> {
    try {
      if (this.#state === 'running') await this.#role.reclaim?.()
    } catch (error) {
      this.#options.log.warn({ role: this.name, error: errorChain(error) }, 'a role could not be taken back')
    }
  }

  /** Takes the role up and keeps it up. @returns when it runs or has failed once, at the latest after `deadlineMs` */
  async start(reign: Reign, deadlineMs: number): Promise<void> {
    this.#reign = reign
    this.#preparation = undefined
    this.#failures = 0
    this.#move('starting', '')
    await this.#until(() => this.#state !== 'starting', deadlineMs)
  }

  /** Gives the role up. @returns whether it did so within `deadlineMs`; it is tried on in any case */
  stop(deadlineMs: number): Promise<boolean> {
    this.#reign = undefined
    this.#preparation = undefined
    return this.#until(() => this.#isClean, deadlineMs)
  }

  /** The end of the daemon. */
  async close(): Promise<void> {
    this.#reign = undefined
    await this.#loop.stop()
  }

  async #until(isReached: () => boolean, deadlineMs: number): Promise<boolean> {
    this.#loop.trigger()
    if (isReached()) return true
    let look: () => void = () => undefined
    const reached = new Promise<void>((resolve) => {
      look = () => isReached() && resolve()
      this.#waiters.add(look)
    })
    try {
      await withDeadline(this.#options.clock, deadlineMs, this.name, reached)
      return true
    } catch (error) {
      if (error instanceof DeadlineError) return false
      throw error
    } finally {
      this.#waiters.delete(look)
    }
  }

  async #pass(): Promise<{ readonly wakeInMs?: number }> {
    const reign = this.#reign
    if (this.#preparation !== undefined) return this.#prepare(this.#preparation)
    if (reign === undefined || reign.ended.aborted) return this.#giveUp()
    if (this.#state === 'running') {
      const problem = this.#role.problem?.()
      if (problem === undefined) {
        if (this.#options.clock.nowMs() - this.#runningSinceMs > RETRY.maxMs) this.#failures = 0
        return { wakeInMs: CHECK_MS }
      }
      this.#options.log.warn({ role: this.name, problem }, 'a role has a problem and is started again')
      this.#fail(problem)
    }
    return this.#takeUp(reign)
  }

  async #prepare(preparation: { readonly isInvited: boolean; isDone: boolean }): Promise<object> {
    if (preparation.isDone) return {}
    this.#isClean = false
    try {
      await this.#role.prepare?.(preparation.isInvited)
    } catch (error) {
      this.#options.log.warn({ role: this.name, error: errorChain(error) }, 'a role could not be prepared')
    }
    preparation.isDone = true
    this.#tell()
    return {}
  }

  async #takeUp(reign: Reign): Promise<{ readonly wakeInMs: number }> {
    this.#isClean = false
    try {
      await this.#role.start(reign)
      this.#runningSinceMs = this.#options.clock.nowMs()
      // One that fails again and again shows its reason until it has worked for a moment.
      if (this.#reign === reign) this.#move('running', '')
      return { wakeInMs: CHECK_MS }
    } catch (error) {
      const reason = errorChain(error)
      this.#options.log.error({ role: this.name, error: reason }, 'a role could not be started')
      this.#fail(reason)
      return { wakeInMs: backoffDelayMs(RETRY, this.#failures) }
    }
  }

  #fail(reason: string): void {
    this.#failures += 1
    if (this.#reign !== undefined) this.#move('failed', reason)
  }

  async #giveUp(): Promise<{ readonly wakeInMs?: number }> {
    if (this.#isClean) return {}
    try {
      await this.#role.stop()
      this.#isClean = true
      this.#failures = 0
      this.#move('stopped', '')
      return {}
    } catch (error) {
      this.#options.log.error({ role: this.name, error: errorChain(error) }, 'a role could not be given up')
      this.#failures += 1
      return { wakeInMs: Math.min(backoffDelayMs(RETRY, this.#failures) / 4, RETRY.firstMs) }
    }
  }

  #move(state: RoleReport['state'], reason: string): void {
    const isSame = this.#state === state && this.#reason === reason
    this.#state = state
    this.#reason = reason
    if (!isSame) this.#options.onChange()
    this.#tell()
  }

  #tell(): void {
    for (const look of [...this.#waiters]) look()
  }
}
