/** A program that runs beside this daemon for as long as it is wanted: a name server, a DHCP server. */
export type Program = {
  /** For messages and the log, e.g. `dnsmasq of network 100`. */
  readonly name: string
  readonly file: string
  readonly args: readonly string[]
  /** Added to a minimal environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Run as this user, with no right but to listen at the well-known ports; default: as this daemon. */
  readonly user?: string
}

/** A program that is kept running: ended by nobody but us, it is started again, later each time. */
export type RunningProgram = {
  /** Why it does not run, as a sentence without its end; undefined: it runs. */
  problem(): string | undefined
  /** Makes it read its files again (SIGHUP); one that does not run reads them anyway at its start. */
  readAgain(): void
  /** Ends it; when this resolves it is gone. It takes at most two seconds. */
  stop(): Promise<void>
}

/** Keeps programs running. They die with this daemon, however it ends. */
export type Programs = {
  /** Starts a program; `onChange` is called when it ended or runs again. */
  run(program: Program, onChange: () => void): RunningProgram
}
