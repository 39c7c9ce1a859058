/** Structured log. Fields before prose; levels by who must act: fatal now, error soon, warn some day, info history. */
export type Log = {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  fatal(fields: object, message: string): void
  /** A logger of one part; `component` names it. */
  child(fields: { readonly component: string } & Record<string, unknown>): Log
}
