import type { Log } from '../../ports/log.ts'

export type FakeLogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal'

/** One written line, with the fields of its logger and its own. */
export type FakeLogEntry = {
  readonly level: FakeLogLevel
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** A log that keeps its entries, so that a test or a scenario can read them. Children write into the same list. */
export class FakeLog implements Log {
  readonly entries: FakeLogEntry[]
  readonly #fields: Readonly<Record<string, unknown>>

  constructor(entries: FakeLogEntry[] = [], fields: Readonly<Record<string, unknown>> = {}) {
    this.entries = entries
    this.#fields = fields
  }

  debug(fields: object, message: string): void {
    this.#write('debug', fields, message)
  }
  info(fields: object, message: string): void {
    this.#write('info', fields, message)
  }
  warn(fields: object, message: string): void {
    this.#write('warn', fields, message)
  }
  error(fields: object, message: string): void {
    this.#write('error', fields, message)
  }
  fatal(fields: object, message: string): void {
    this.#write('fatal', fields, message)
  }

  child(fields: { readonly component: string } & Record<string, unknown>): FakeLog {
    return new FakeLog(this.entries, { ...this.#fields, ...fields })
  }

  /** Messages of one level, in order. */
  messages(level: FakeLogLevel): readonly string[] {
    return this.entries.filter((entry) => entry.level === level).map((entry) => entry.message)
  }

  #write(level: FakeLogLevel, fields: object, message: string): void {
    this.entries.push({ level, message, fields: { ...this.#fields, ...fields } })
  }
}
