import type { Clock } from '../base/clock.ts'
import { withDeadline } from '../base/deadline.ts'
import { errorChain } from '../model/errors.ts'
import type { Log } from '../ports/log.ts'
import type { PrimaryRole, Reign, TimetableJob } from '../ports/primary.ts'
import type { Scheduler } from '../ports/schedule.ts'

/** Jobs in flight may end within this time at the end of a reign. */
const DRAIN_MS = 2500

export type TimetableDeps = { readonly scheduler: Scheduler; readonly clock: Clock; readonly log: Log }

/** The role that runs jobs of the cluster by the clock, on the primary alone; one run of a job at a time. */
export function createTimetable(jobs: readonly TimetableJob[], deps: TimetableDeps): PrimaryRole {
  const { scheduler, clock, log } = deps
  const running = new Map<string, Promise<void>>()
  let timers: { stop(): void }[] = []
  let ending = new AbortController()

  const fire = (job: TimetableJob, reign: Reign): void => {
    if (reign.validForMs() <= 0) return
    if (running.has(job.name)) {
      log.warn({ job: job.name }, 'a job still runs, so this time is left out')
      return
    }
    const run = job
      .run({ ...reign, ended: AbortSignal.any([reign.ended, ending.signal]) })
      .catch((error: unknown) => log.error({ job: job.name, error: errorChain(error) }, 'a job failed'))
      .finally(() => running.delete(job.name))
    running.set(job.name, run)
  }
  const stopTimers = (): void => {
    for (const timer of timers.splice(0)) timer.stop()
  }

  return {
    name: 'timetable',
    async start(reign) {
      stopTimers()
      ending = new AbortController()
      timers = jobs.map((job) => scheduler.at(job.schedule, () => fire(job, reign)))
    },
    async stop() {
      stopTimers()
      ending.abort()
      await withDeadline(clock, DRAIN_MS, 'jobs of the timetable', Promise.all(running.values()))
    },
  }
}
