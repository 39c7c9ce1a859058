import type { VmSpec } from '../../model/domain.ts'

/**
 * What the reconciler of one VM remembers between passes. It is lost when pvcnoded restarts, and nothing unsafe follows:
 * a shutdown is asked again, a crash counter starts from zero.
 */
export type VmMemory = {
  /** When the guest was first asked to shut down in this stop, and when last. */
  readonly shutdown: { readonly askedAtMs: number; readonly pressedAtMs: number } | undefined
  /** Times of the starts in the present window. */
  readonly startsAtMs: readonly number[]
  /** Why the last start failed; `isFinal`: trying again cannot help before somebody changes something. */
  readonly failure: { readonly reason: string; readonly isFinal: boolean } | undefined
  /** Since when a QEMU process of this VM exists that libvirt does not know. */
  readonly orphanSinceMs: number | undefined
  /** Since when a create call is outstanding. */
  readonly createSinceMs: number | undefined
  /** True when QEMU did not end in an orderly way, or we cannot know: its RBD client may have left a watch behind. */
  readonly isExitUnclean: boolean
  /** Generation of the XML of the latest start. */
  readonly startedGeneration: number | undefined
  /** Since when the present step of a move waits, and for which order. */
  readonly moveWait: { readonly key: string; readonly sinceMs: number } | undefined
  /** When progress of a move was last published. */
  readonly progressAtMs: number
  /** The wish the counters above belong to; another wish starts them anew. */
  readonly wishKey: string
}

export const FIRST_MEMORY: VmMemory = {
  shutdown: undefined,
  startsAtMs: [],
  failure: undefined,
  orphanSinceMs: undefined,
  createSinceMs: undefined,
  isExitUnclean: true,
  startedGeneration: undefined,
  moveWait: undefined,
  progressAtMs: 0,
  wishKey: '',
}

/** Identifies a wish: a new generation or a new `vm start` clears failures and counters. */
export function wishKey(spec: VmSpec): string {
  return `${spec.generation}/${spec.wishes.start}`
}

/** Starts are counted within this window. */
export const START_WINDOW_MS = 600_000
/** So many starts within the window, and the VM is failed. */
export const START_LIMIT = 8
const FIRST_DELAY_MS = 1000
const MAX_DELAY_MS = 60_000

/** Starts that still count at `nowMs`. */
export function recentStarts(memory: VmMemory, nowMs: number): readonly number[] {
  return memory.startsAtMs.filter((at) => nowMs - at < START_WINDOW_MS)
}

/**
 * When the next start may be tried: the first one and the first repetition at once, then 1 s doubling to 60 s after the
 * latest start.
 */
export function nextStartAtMs(starts: readonly number[]): number {
  const latest = starts.at(-1)
  if (latest === undefined || starts.length < 2) return 0
  return latest + Math.min(FIRST_DELAY_MS * 2 ** (starts.length - 2), MAX_DELAY_MS)
}
