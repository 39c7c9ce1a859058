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

/** Lines of a block at most, so that it fits on any terminal. */
const MAX_BLOCK_LINES = 20

/** Several lines on stderr that are rewritten in place. For terminals only. */
export class ProgressBlock {
  readonly #session: Session
  #height = 0

  constructor(session: Session) {
    this.#session = session
  }

  /** Shows these lines in place of those before; what does not fit is counted in the last one. */
  update(lines: readonly string[]): void {
    const { options, host } = this.#session
    if (options.quiet || options.silent || !host.stderr.isTty) return
    const hidden = lines.length - MAX_BLOCK_LINES
    const shown = hidden > 0 ? [...lines.slice(0, MAX_BLOCK_LINES - 1), `… and ${hidden + 1} more`] : lines
    const fitted = shown.map((line) => (host.stderr.columns > 0 ? line.slice(0, host.stderr.columns - 1) : line))
    this.clear()
    host.stderr.write(fitted.map((line) => `${line}\n`).join(''))
    this.#height = fitted.length
  }

  /** Removes the lines. */
  clear(): void {
    if (this.#height > 0) this.#session.host.stderr.write(`\x1b[${this.#height}A\r\x1b[J`)
    this.#height = 0
  }
}
