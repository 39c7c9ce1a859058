import type { Signal } from '../base/signal.ts'
import type { FenceJournal } from '../model/fence.ts'
import type { NodeName } from '../model/ids.ts'

/** Tells people's own systems of fences (configuration `fencing.hook`). It never holds a fence up. */
export type FenceHook = {
  /** Called at every change of a journal, as often as one likes: each step is told once. Returns at once, never throws. */
  announce(node: NodeName, journal: FenceJournal): void
  /** A node has vanished and may not be fenced; `reason` is a sentence. Returns at once, never throws. */
  held(node: NodeName, journal: FenceJournal, reason: string): void
  /** Why the last call of the command or address failed, as a sentence; undefined: it went well, or there is none. */
  readonly problem: Signal<string | undefined>
  /** Waits for what is under way; each call is bounded. */
  settled(): Promise<void>
}
