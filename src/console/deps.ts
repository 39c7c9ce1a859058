import type { Clock } from '../base/clock.ts'
import type { Fault } from '../model/fault.ts'
import type { NodeName } from '../model/ids.ts'
import type { Hypervisor } from '../ports/hypervisor.ts'
import type { Log } from '../ports/log.ts'
import type { LogFiles } from '../ports/log-files.ts'
import type { Store, StoreSession } from '../ports/store.ts'
import type { Index } from '../view/index.ts'

/** What the consoles of a node need from the rest of it. */
export type ConsoleDeps = {
  readonly self: NodeName
  /** Lines kept of a console, and of the node's log. */
  readonly settings: { readonly lines: number; readonly nodeLogLines: number; readonly budgetKiBps: number }
  readonly store: Store
  /** The session in which this node is certified; undefined: none now. */
  readonly session: () => StoreSession | undefined
  /** Holds every VM with its status. */
  readonly index: Pick<Index, 'isReady' | 'get' | 'children' | 'onChange'>
  readonly hypervisor: Pick<Hypervisor, 'xml' | 'subscribe'>
  readonly files: LogFiles
  readonly faults: {
    set(id: string, severity: Fault['severity'], message: string): void
    clear(id: string): void
  }
  readonly clock: Clock
  readonly log: Log
}
