/**
 * The gate between a simulated process and the world: every call takes time to take effect and its answer time to come
 * back, so that anything may happen between any two of them.
 */
import type { Engine } from './engine.ts'
import type { SimProcess } from './process.ts'
import type { Random } from './random.ts'

/** What strikes at a call; it may change the world before or after the call takes effect. */
export type Strike = (moment: {
  readonly process: string
  readonly call: string
  readonly phase: 'before' | 'after'
}) => void

/** How long one call takes until it has an effect, and how long its answer takes. */
export type CallTime = { readonly requestMs: number; readonly answerMs: number }

export type GateOptions = {
  readonly engine: Engine
  readonly random: Random
  readonly process: SimProcess
  readonly strike: Strike
  /** Set by faults; otherwise calls are quick. */
  readonly timeOf?: (call: string) => CallTime | undefined
}

export class Gate {
  readonly process: SimProcess
  readonly #options: GateOptions

  constructor(options: GateOptions) {
    this.#options = options
    this.process = options.process
  }

  /** One call: once it is sent it has its effect, whatever becomes of the process. */
  call<T>(call: string, effect: () => Promise<T> | T): Promise<T> {
    const { engine, process, strike } = this.#options
    const { requestMs, answerMs } = this.#time(call)
    const moment = { process: process.name, call }
    return new Promise<T>((resolve, reject) => {
      const answer = (give: () => void) => {
        strike({ ...moment, phase: 'after' })
        if (answerMs === 0) process.run(give)
        else engine.after(answerMs, `${process.name}: ${call} answered`, () => process.run(give))
      }
      engine.after(requestMs, `${process.name}: ${call}`, () => {
        strike({ ...moment, phase: 'before' })
        attempt(effect).then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error)),
        )
      })
    })
  }

  /**
   * A port behind this gate: its methods of `calls` become calls; of `events`, subscriptions whose listeners are reached
   * only while the process runs; everything else is asked at once.
   */
  port<T extends object>(
    name: string,
    port: T,
    names: { calls: readonly (keyof T)[]; events?: readonly (keyof T)[] },
  ): T {
    const calls = new Set<PropertyKey>(names.calls as readonly PropertyKey[])
    const events = new Set<PropertyKey>((names.events ?? []) as readonly PropertyKey[])
    return new Proxy(port, {
      get: (target, property) => {
        const value: unknown = Reflect.get(target, property, target)
        if (typeof value !== 'function') return value
        const method = value.bind(target) as (...args: unknown[]) => unknown
        if (calls.has(property)) {
          return (...args: unknown[]) => this.call(`${name}.${String(property)}`, () => method(...args))
        }
        if (!events.has(property)) return method
        return (listener: (...args: unknown[]) => void) =>
          method((...args: unknown[]) => this.process.run(() => listener(...args)))
      },
    })
  }

  #time(call: string): CallTime {
    const { random, timeOf } = this.#options
    const chosen = timeOf?.(call)
    if (chosen !== undefined) return chosen
    return { requestMs: random.int(1, 3000) / 1000, answerMs: random.chance(0.1) ? random.int(1, 20) : 0 }
  }
}

async function attempt<T>(effect: () => Promise<T> | T): Promise<T> {
  return effect()
}
