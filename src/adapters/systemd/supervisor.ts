/** Tells systemd how the daemon is (sd_notify). Outside systemd nothing is told. */

import type { Supervisor } from '../../ports/host.ts'
import type { Log } from '../../ports/log.ts'

export type SystemdOptions = {
  readonly log: Log
  /** Sends one notification; false or an error when nobody listens. */
  readonly send: (state: string) => unknown
  /** The daemon's environment. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * Creates the supervisor. When systemd set a watchdog, it is fed from the event loop: a loop that hangs stops feeding.
 * @returns with `close`, which ends the feeding
 */
export function createSupervisor({ log, send, environment }: SystemdOptions): Supervisor & { close(): void } {
  let isWarned = false
  const tell = (state: string): void => {
    try {
      send(state)
    } catch (error) {
      if (isWarned) return
      isWarned = true
      log.warn({ error }, 'systemd could not be told how the daemon is')
    }
  }
  const periodMs = watchdogPeriodMs(environment)
  const feeding = periodMs === undefined ? undefined : setInterval(() => tell('WATCHDOG=1'), periodMs)
  feeding?.unref()
  return {
    ready: () => tell('READY=1'),
    // A line break would begin another assignment.
    status: (text) => tell(`STATUS=${text.replace(/\s+/g, ' ')}`),
    stopping: () => tell('STOPPING=1'),
    close: () => clearInterval(feeding),
  }
}

/** A third of the time systemd allows, so that one late turn of the loop is no death. */
export function watchdogPeriodMs(environment: Readonly<Record<string, string | undefined>>): number | undefined {
  const limitUs = Number(environment['WATCHDOG_USEC'])
  return Number.isFinite(limitUs) && limitUs > 0 ? Math.max(10, Math.floor(limitUs / 3000)) : undefined
}
