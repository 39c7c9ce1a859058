import type { Clock } from '../base/clock.ts'

/** Where text goes. */
export type TextOutput = {
  write(text: string): void
  readonly isTty: boolean
  /** Width in characters; 0 when unknown. */
  readonly columns: number
}

/** The terminal while it belongs to a guest: every key goes there, Ctrl-C included. Bytes, not text. */
export type RawTerminal = {
  /** Called with what is typed; undefined: the input has ended. */
  onInput(take: (typed: Uint8Array | undefined) => void): void
  /** `done` is called when the terminal took the bytes. */
  write(bytes: Uint8Array, done: () => void): void
  /** Gives the terminal back as it was. Idempotent. */
  restore(): void
}

/**
 * What the program needs from the machine it runs on, passed in so that tests run the whole program in-process.
 * Files are reached directly: a test gives paths of its own.
 */
export type Host = {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: TextOutput
  readonly stderr: TextOutput
  /** True when a person can answer a question. */
  readonly canAsk: boolean
  readonly clock: Clock
  /** Short host name. */
  readonly hostname: string
  /** Version of the program. */
  readonly version: string
  /** Everything on standard input. */
  readInput(): Promise<string>
  /** Asks on the terminal; undefined when the input ended without an answer. */
  ask(question: string): Promise<string | undefined>
  /** Calls `act` when the person presses Ctrl-C, instead of ending the program; the function returned ends that. */
  onInterrupt(act: () => void): () => void
  /** Takes the terminal; it is given back by `restore`, and whenever the program ends, by a signal too. */
  takeTerminal(): RawTerminal
  /** Shows a text in the person's pager, or prints it when there is none. */
  page(text: string): Promise<void>
  /** Runs an interactive program on a file and waits for it. Returns its exit code. */
  runEditor(command: string, file: string): Promise<number>
  /** Parses YAML; loaded only when the connection `local` is used. */
  parseYaml(text: string): Promise<unknown>
}

const TRUE_WORDS: readonly string[] = ['1', 'true', 't', 'yes', 'y', 'on']

/** True when an environment variable says yes (1, true, yes, on). */
export function isSet(env: Host['env'], name: string): boolean {
  return TRUE_WORDS.includes((env[name] ?? '').toLowerCase())
}
