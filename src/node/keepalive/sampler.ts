import type { Clock } from '../../base/clock.ts'
import { DeadlineError, withDeadline } from '../../base/deadline.ts'
import { Reconciler } from '../../base/reconciler.ts'
import { errorChain } from '../../model/errors.ts'

/** Takes a sample of something outside, again and again; a call that hangs leaves the old sample in place. */
export type Sampler<T> = {
  /** The last sample; undefined before the first. */
  latest(): T | undefined
  /** Age of the last sample, or, before the first, the time since the start. */
  ageMs(): number
  /** Why the last try gave no sample; undefined when it did. */
  trouble(): string | undefined
  /** Asks for a sample soon; requests closer together than `minGapMs` share one, once there is a sample. */
  trigger(): void
  start(): void
  /** Stops sampling. A call that hangs is not waited for. */
  stop(): void
}

export type SamplerOptions<T> = {
  readonly clock: Clock
  /** What is sampled, for messages. */
  readonly what: string
  readonly read: () => Promise<T>
  readonly intervalMs: number
  /** Time between tries while there is trouble. */
  readonly retryMs: number
  readonly minGapMs: number
  /** After so long a call counts as hanging. It is waited for still, and no second one is made beside it. */
  readonly deadlineMs: number
  /** Called when a sample came, or when a try failed. */
  readonly onResult: () => void
}

const FIRST_GAP_MS = 50

/** Creates a sampler; nothing is read before `start`. */
export function createSampler<T>(options: SamplerOptions<T>): Sampler<T> {
  const { clock } = options
  let sample: { readonly value: T } | undefined
  let sinceMs = clock.nowMs()
  let trouble: string | undefined
  let begunAtMs: number | undefined
  let inFlight: Promise<void> | undefined
  let isStopped = false

  const read = async (): Promise<void> => {
    try {
      const value = await options.read()
      sample = { value }
      sinceMs = clock.nowMs()
      trouble = undefined
    } catch (error) {
      trouble = errorChain(error)
    } finally {
      inFlight = undefined
    }
    if (!isStopped) options.onResult()
  }

  async function pass(): Promise<{ wakeInMs: number }> {
    const nowMs = clock.nowMs()
    const gapMs = begunAtMs === undefined ? options.minGapMs : nowMs - begunAtMs
    // Whoever has no sample yet is not made to wait for it: what was asked has often just become ready.
    const minGapMs = sample === undefined ? Math.min(FIRST_GAP_MS, options.minGapMs) : options.minGapMs
    if (inFlight === undefined && gapMs < minGapMs) return { wakeInMs: minGapMs - gapMs }
    if (inFlight === undefined) begunAtMs = nowMs
    inFlight ??= read()
    try {
      await withDeadline(clock, options.deadlineMs, options.what, inFlight)
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error
      trouble = `${options.what} has not answered for ${Math.round((clock.nowMs() - (begunAtMs ?? nowMs)) / 1000)} s`
      options.onResult()
    }
    return { wakeInMs: trouble === undefined ? options.intervalMs - (clock.nowMs() - nowMs) : options.retryMs }
  }

  const loop = new Reconciler({
    clock,
    pass,
    rescanMs: options.intervalMs,
    retryMs: options.retryMs,
    onError(error) {
      trouble = errorChain(error)
    },
  })
  return {
    latest: () => sample?.value,
    ageMs: () => clock.nowMs() - sinceMs,
    trouble: () => trouble,
    trigger: () => loop.trigger(),
    start() {
      sinceMs = clock.nowMs()
      loop.trigger()
    },
    stop() {
      isStopped = true
      void loop.stop()
    },
  }
}
