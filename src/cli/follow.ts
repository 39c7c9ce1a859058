import { type Backoff, backoffDelayMs } from '../base/backoff.ts'
import { sleep } from '../base/clock.ts'
import type { StreamText } from '../contract/stream.ts'
import { isPassingFailure } from './answer.ts'
import type { ApiClient } from './client.ts'
import { CommandFailure } from './failure.ts'
import type { Session } from './session.ts'

const RECONNECT: Backoff = { firstMs: 100, maxMs: 2000 }

/** Which text, and how it is shown. */
export type LogView = {
  readonly route: 'vmConsoleStream' | 'nodeLogStream'
  readonly args: Readonly<Record<string, string>>
  /** Lines before the end at which it begins. */
  readonly lines: number
  readonly showTimes: boolean
  /** Only lines in which this is found. */
  readonly pattern: RegExp | undefined
  /** Ends when all that is there now was shown. */
  readonly isOnce: boolean
}

/** Puts pieces of lines together as they are to be shown. */
export class LinePrinter {
  readonly #view: Pick<LogView, 'showTimes' | 'pattern'>
  readonly #write: (text: string) => void
  /** The line so far, when it can only be judged as a whole. */
  #held = ''
  /** The last thing written did not end its line. */
  #isOpen = false

  constructor(view: Pick<LogView, 'showTimes' | 'pattern'>, write: (text: string) => void) {
    this.#view = view
    this.#write = write
  }

  text({ column, text, end, at }: StreamText): void {
    const { pattern, showTimes } = this.#view
    if (pattern === undefined) {
      const isStart = column === 0 || !this.#isOpen
      this.#out(`${isStart && showTimes ? `${formatTime(at)} ` : ''}${text}${end ? '\n' : ''}`)
      return
    }
    this.#held = column === 0 ? text : this.#held + text
    if (!end) return
    if (pattern.test(this.#held)) this.#out(`${showTimes ? `${formatTime(at)} ` : ''}${this.#held}\n`)
    this.#held = ''
  }

  /** A line of our own. */
  note(text: string): void {
    this.end()
    this.#out(`${text}\n`)
  }

  /** Ends the line that is open on the terminal. */
  end(): void {
    if (this.#isOpen) this.#out('\n')
  }

  #out(text: string): void {
    if (text === '') return
    this.#write(text)
    this.#isOpen = !text.endsWith('\n')
  }
}

/** Local time of a line. */
export function formatTime(at: number): string {
  const date = new Date(at)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  return `${day} ${time}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

/**
 * Prints a stream until its end or Ctrl-C. When the API goes away it goes on with another one, behind the last character that
 * was printed.
 * @throws CommandFailure when there is no such stream, or no permission
 */
export async function showStream(session: Session, api: ApiClient, view: LogView): Promise<void> {
  const { host } = session
  const stop = new AbortController()
  const stopListening = host.onInterrupt(() => stop.abort())
  const printer = new LinePrinter(view, (text) => session.write(text))
  let position: string | undefined
  let failures = 0
  try {
    while (!stop.signal.aborted) {
      try {
        const args = { ...view.args, ...(position === undefined ? { lines: view.lines } : { from: position }) }
        await api.stream(view.route, { ...args, ...(view.isOnce ? { once: true } : {}) }, stop.signal, (event) => {
          failures = 0
          if (event.id !== '') position = event.id
          if (event.event === 'dropped')
            printer.note(`[${(JSON.parse(event.data) as { lines: number }).lines} lines dropped]`)
          else printer.text(JSON.parse(event.data) as StreamText)
        })
        if (view.isOnce) return
      } catch (error) {
        if (!isPassingFailure(error)) throw error
        // A command that never got anywhere says why; one that did goes on.
        if (position === undefined && failures >= FIRST_TRIES) throw error
      }
      failures += 1
      await sleep(host.clock, backoffDelayMs(RECONNECT, failures), stop.signal)
    }
  } finally {
    printer.end()
    stopListening()
  }
}

const FIRST_TRIES = 5

/** A regular expression from the command line. @throws CommandFailure */
export function parsePattern(text: string | undefined): RegExp | undefined {
  try {
    return text === undefined ? undefined : new RegExp(text)
  } catch (error) {
    throw new CommandFailure(
      `--grep must be a regular expression: ${error instanceof Error ? error.message : text}.`,
      2,
    )
  }
}
