import type { Session } from './session.ts'

/**
 * One line on stderr that tells how a wait goes. On a terminal the line is rewritten in place; elsewhere each new text
 * is a line of its own, without the passing time, so that a log stays short.
 */
export class ProgressLine {
  readonly #session: Session
  #shown = ''

  constructor(session: Session) {
    this.#session = session
  }

  /** Shows where things stand. `elapsed` is shown on a terminal only. */
  update(text: string, elapsed: string): void {
    const { options, host } = this.#session
    if (options.quiet || options.silent) return
    if (host.stderr.isTty) {
      const line = `${text} (${elapsed})`
      const width = host.stderr.columns > 0 ? host.stderr.columns - 1 : line.length
      host.stderr.write(`\r\x1b[K${line.slice(0, width)}`)
    } else if (text !== this.#shown) host.stderr.write(`${text}\n`)
    this.#shown = text
  }

  /** Removes the line from a terminal. */
  clear(): void {
    const { options, host } = this.#session
    if (this.#shown !== '' && host.stderr.isTty && !options.quiet && !options.silent) host.stderr.write('\r\x1b[K')
    this.#shown = ''
  }
}
