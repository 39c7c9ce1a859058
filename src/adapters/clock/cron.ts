import cron from 'node-cron'
import { PvcError } from '../../model/errors.ts'
import type { Scheduler } from '../../ports/schedule.ts'

/** Whether {@link createCronScheduler} takes the text: each field in its range, and a day that comes. */
export function isSchedule(schedule: string): boolean {
  return cron.validate(schedule)
}

/** Schedules of cron, by node-cron. */
export function createCronScheduler(): Scheduler {
  return {
    at(schedule, fire) {
      if (!isSchedule(schedule)) {
        throw new PvcError('PVC_CONFIG_INVALID', `"${schedule}" is not a schedule of five cron fields`)
      }
      const task = cron.schedule(schedule, fire, { timezone: 'UTC' })
      return { stop: () => void task.destroy() }
    },
  }
}
