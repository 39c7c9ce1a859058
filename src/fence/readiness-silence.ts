/** Which coordinators do not make the fence test, although they run. */

import type { Clock } from '../base/clock.ts'
import type { NodeName } from '../model/ids.ts'
import type { FenceReach } from '../model/power.ts'

/** Far more than a test takes, also of a coordinator that has just started or is tried again. */
const SILENT_MS = 600_000

/** It never tested one of the nodes, or not since the newest wish for it. */
export function isSilent(
  reach: FenceReach | undefined,
  wishes: readonly { readonly node: NodeName; readonly wish: number }[],
): boolean {
  return wishes.some(({ node, wish }) => {
    const test = reach?.tests.find((each) => each.node === node)
    return test === undefined || test.wish < wish
  })
}

/** Remembers since when, by the clock of this machine alone. */
export class Silence {
  readonly #clock: Clock
  readonly #since = new Map<NodeName, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @returns those that were among the `silent` ones at every look of the last ten minutes */
  lasting(silent: readonly NodeName[]): readonly NodeName[] {
    const nowMs = this.#clock.nowMs()
    for (const name of this.#since.keys()) if (!silent.includes(name)) this.#since.delete(name)
    return silent.filter((name) => {
      const sinceMs = this.#since.get(name) ?? nowMs
      this.#since.set(name, sinceMs)
      return nowMs - sinceMs >= SILENT_MS
    })
  }
}
