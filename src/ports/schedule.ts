/** Calls by the clock of the wall. */
export type Scheduler = {
  /**
   * Calls `fire` at each time that fits `schedule` (five fields of cron, UTC). Times that pass while the machine sleeps or is
   * busy are not made up for. @throws PVC_CONFIG_INVALID when the text is no schedule
   */
  at(schedule: string, fire: () => void): { stop(): void }
}
