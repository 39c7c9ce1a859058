import type { Clock } from '../base/clock.ts'
import { Fault } from '../model/fault.ts'
import type { FaultBoard, FaultChange, Severity } from '../ports/faults.ts'

export type { FaultBoard } from '../ports/faults.ts'

const RANK: Readonly<Record<Severity, number>> = { critical: 0, error: 1, warning: 2 }

/** An empty board. Wall time is taken for display only. */
export function createFaultBoard(clock: Clock): FaultBoard {
  const faults = new Map<string, Fault>()
  const listeners = new Set<(change: FaultChange) => void>()
  const tell = (change: FaultChange): void => {
    for (const listener of [...listeners]) listener(change)
  }
  const set = (id: string, severity: Severity, message: string): void => {
    const known = faults.get(id)
    if (known?.severity === severity && known.message === message) return
    // A malformed id would make the whole status document unreadable, so it is refused where the bug is.
    const fault = Fault.parse({ id, severity, message, since: known?.since ?? clock.wallMs() })
    faults.set(id, fault)
    if (known?.severity !== severity) tell({ kind: known === undefined ? 'raised' : 'changed', fault })
  }
  const clear = (id: string): void => {
    const fault = faults.get(id)
    if (fault === undefined) return
    faults.delete(id)
    tell({ kind: 'cleared', fault })
  }
  return {
    set,
    clear,
    replace(prefix, wanted) {
      const ids = new Set(wanted.map((fault) => fault.id))
      for (const id of [...faults.keys()]) {
        if ((id === prefix || id.startsWith(`${prefix}:`)) && !ids.has(id)) clear(id)
      }
      for (const { id, severity, message } of wanted) set(id, severity, message)
    },
    list: () =>
      [...faults.values()].sort(
        (a, b) => RANK[a.severity] - RANK[b.severity] || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
      ),
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
