/** The console part of pvcnoded: what guests print, and what the daemon itself says, as streams in the store. */
import { tree } from '../schema/tree.ts'
import { ByteBudget } from './budget.ts'
import type { ConsoleDeps } from './deps.ts'
import { watchFollowers } from './followers.ts'
import { formatLogLine } from './log-line.ts'
import { createConsoleManager } from './manager.ts'
import { StreamWriter } from './stream-writer.ts'

const BYTES_PER_KIB = 1024

export type Consoles = {
  /** Adds a line of the daemon's log, as JSON. */
  logLine(json: string): void
  /** Writes what is there, bounded, and stops. Guests run on, and the next daemon goes on where this one stopped. */
  stop(): Promise<void>
}

/** Starts at once; what is away is waited for. */
export function startConsoles(deps: ConsoleDeps): Consoles {
  const { self, settings, clock, session } = deps
  const budget = new ByteBudget(clock, settings.budgetKiBps * BYTES_PER_KIB)
  const followers = watchFollowers(deps)
  const manager = createConsoleManager(deps, budget, followers)
  const log = new StreamWriter(
    {
      keys: tree.node(self).log,
      writer: { node: self, seq: 0 },
      session,
      lines: settings.nodeLogLines,
      isFollowed: () => followers.has(`node-${self}`),
      budget,
      clock,
      // A failure to write the log must not become a line of it.
      log: undefined,
    },
    undefined,
  )
  const unsubscribe = followers.onChange(() => log.trigger())
  return {
    logLine(json) {
      if (settings.nodeLogLines === 0) return
      const at = clock.wallMs()
      log.push([{ text: formatLogLine(json), isEnd: true, at, place: null }])
    },
    async stop() {
      unsubscribe()
      await manager.stop()
      await log.finish(undefined)
      followers.close()
    },
  }
}
