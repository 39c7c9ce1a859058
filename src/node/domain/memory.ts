import type { VmSpec } from '../../model/domain.ts'

/**
 * What the reconciler of one VM remembers between passes. It is lost when pvcnoded restarts, and nothing unsafe follows:
 * a shutdown is asked again, a crash counter starts from zero.
 */
export type VmMemory = {
  /** When the guest was first asked to shut down in this stop, and when last. */
  readonly shutdown: { readonly askedAtMs: number; readonly pressedAtMs: number } | undefined
  /** The domain was to be destroyed: its QEMU may have been killed, whatever the guest was asked before. */
  readonly isDestroyed: boolean
  /** Times of the starts in the present window that libvirt carried out. */
  readonly startsAtMs: readonly number[]
  /** Tries to start since the latest of those. They are waited after, but never counted as ends of the guest. */
  readonly tries: { readonly times: number; readonly latestAtMs: number }
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

const NO_TRIES: VmMemory['tries'] = { times: 0, latestAtMs: 0 }

export const FIRST_MEMORY: VmMemory = {
  shutdown: undefined,
  isDestroyed: false,
  startsAtMs: [],
  tries: NO_TRIES,
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
/** So many starts that were carried out within the window, and the VM is failed. */
export const START_LIMIT = 8
const FIRST_DELAY_MS = 1000
const MAX_DELAY_MS = 60_000

/** Starts that still count at `nowMs`. */
export function recentStarts(memory: VmMemory, nowMs: number): readonly number[] {
  return memory.startsAtMs.filter((at) => nowMs - at < START_WINDOW_MS)
}

/** A new wish: failures and counters begin anew. */
export function forgetStarts(memory: VmMemory): VmMemory {
  return { ...memory, startsAtMs: [], tries: NO_TRIES, failure: undefined }
}

/** The latest try was carried out, perhaps after its call had been given up: from now on it counts as a start. */
export function countStart(memory: VmMemory): VmMemory {
  const { startsAtMs, tries } = memory
  const isNew = tries.times > 0
  return {
    ...memory,
    startsAtMs: isNew ? [...startsAtMs, tries.latestAtMs] : startsAtMs,
    tries: NO_TRIES,
    failure: undefined,
    isExitUnclean: true,
  }
}

/**
 * When the next start may be tried: the first one and the first repetition at once, then 1 s doubling to 60 s after the
 * latest start, and likewise after tries that came to nothing.
 */
export function nextStartAtMs(starts: readonly number[], tries: VmMemory['tries']): number {
  return Math.max(againAtMs(starts.length, starts.at(-1) ?? 0), againAtMs(tries.times, tries.latestAtMs))
}

function againAtMs(times: number, latestAtMs: number): number {
  return times < 2 ? 0 : latestAtMs + Math.min(FIRST_DELAY_MS * 2 ** (times - 2), MAX_DELAY_MS)
}
