/** Sends requests over the native client of one session and gives each a deadline and a typed error. */
import type { Clock } from '../../base/clock.ts'
import type { Signal } from '../../base/signal.ts'
import { PvcError } from '../../model/errors.ts'
import type { SessionState } from '../../ports/store.ts'
import type { Lease } from './lease.ts'
import type { NativeClient } from './native.ts'
import { isAnswer, isSessionOver, type Operation, RC, storeError } from './return-code.ts'

type Settle = (rc: number, ...rest: readonly unknown[]) => void
type Answer = (rc: number, message: string, ...rest: readonly unknown[]) => void

/** One request: how it is sent, and what its answer means. */
export type Request<T> = {
  readonly op: Operation
  readonly path: string
  readonly send: (native: NativeClient, answer: Answer) => number
  /** Turns a good answer into the result. Also called after the deadline: a watch that was armed late must be counted. */
  readonly pick: (...rest: readonly unknown[]) => T
  /** Called with the return code when the request was refused, failed or was not sent. */
  readonly failed?: (rc: number) => void
}

export type RequestsOptions = {
  readonly clock: Clock
  readonly operationTimeoutMs: number
  readonly state: Signal<SessionState>
  readonly lease: Lease
}

export class Requests {
  readonly #options: RequestsOptions
  #native: NativeClient
  /** Requests that ended with the connection before it was known whether the session is over, too. */
  #undecided: Settle[] = []

  constructor(native: NativeClient, options: RequestsOptions) {
    this.#native = native
    this.#options = options
  }

  /** @returns true when `native` is another client than before */
  use(native: NativeClient): boolean {
    const isOther = native !== this.#native
    this.#native = native
    return isOther
  }

  /** @throws every error of the store port; nothing is sent while the session is suspended or lost */
  run<T>(request: Request<T>): Promise<T> {
    const { op, path } = request
    const { clock, operationTimeoutMs, state } = this.#options
    if (state.value !== 'connected') {
      request.failed?.(RC.invalidState)
      return Promise.reject(state.value === 'lost' ? storeError(RC.sessionExpired, op, path) : notSent(op, path))
    }
    return new Promise<T>((resolve, reject) => {
      const sentAtMs = clock.nowMs()
      const timer = clock.setTimer(operationTimeoutMs, () => reject(storeError(RC.operationTimeout, op, path)))
      const settle: Settle = (rc, ...rest) => {
        timer.cancel()
        if (isAnswer(rc)) this.#options.lease.acknowledge(sentAtMs, passesLeader(op))
        if (rc === RC.ok) return resolve(request.pick(...rest))
        request.failed?.(rc)
        reject(storeError(rc, op, path))
      }
      const rc = request.send(this.#native, (code, _message, ...rest) => {
        if (isSessionOver(code)) this.#undecided.push(settle)
        else settle(code, ...rest)
      })
      if (rc === RC.ok) return
      timer.cancel()
      request.failed?.(rc)
      reject(rc === RC.badArguments ? storeError(rc, op, path) : notSent(op, path))
    })
  }

  /** Ends what was left in flight by a client that is gone: `rc` says whether its session is over as well. */
  endUndecided(rc: number): void {
    const undecided = this.#undecided
    this.#undecided = []
    for (const settle of undecided) settle(rc)
  }
}

/** Reads are answered by the server one is connected to, even when it has lost the ensemble. */
function passesLeader(op: Operation): boolean {
  return op === 'create' || op === 'set' || op === 'remove' || op === 'replace' || op === 'sync'
}

function notSent(op: Operation, path: string): PvcError {
  return new PvcError('PVC_STORE_UNAVAILABLE', `${op} ${path}: not connected`, { details: { op, path } })
}
