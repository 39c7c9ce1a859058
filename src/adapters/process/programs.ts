/** Keeps programs running beside this daemon, through execa. */
import { execa } from 'execa'
import { backoffDelayMs } from '../../base/backoff.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Log } from '../../ports/log.ts'
import type { Program, Programs, RunningProgram } from '../../ports/programs.ts'
import { noteRun } from './runs.ts'

const RETRY = { firstMs: 250, maxMs: 15_000 }
/** One that has run this long is no longer counted as failing. */
const STABLE_MS = 10_000
/** From SIGTERM to SIGKILL. */
const GRACE_MS = 1000
const MAX_LINE = 300

export type ProgramsOptions = {
  readonly clock: Clock
  readonly log: Log
  /** Directory for who runs; it is emptied by a boot. */
  readonly runDir: string
  /** Words before each command; for tests, which run programs in namespaces of their own. */
  readonly launcher?: readonly string[]
}

/** Real programs. Their output is in the log, the last line of it in the reason of an end. */
export function createPrograms(options: ProgramsOptions): Programs {
  return { run: (program, onChange) => new KeptProgram(program, options, onChange) }
}

/**
 * The kernel ends the program when this daemon dies, also by SIGKILL: a name server that outlives its primary would go on
 * answering. setpriv becomes the program, so signals reach it and not a shell.
 */
function tiedToUs(user: string | undefined): readonly string[] {
  const onlyPorts = ['--inh-caps', '--ambient-caps', '--bounding-set'].map((set) => `${set}=-all,+net_bind_service`)
  const asUser = user === undefined ? [] : ['--reuid', user, '--regid', user, '--clear-groups', ...onlyPorts]
  return [...asUser, '--no-new-privs', '--pdeathsig', 'KILL', '--']
}

class KeptProgram implements RunningProgram {
  readonly #program: Program
  readonly #clock: Clock
  readonly #log: Log
  readonly #launcher: readonly string[]
  readonly #runs: string
  readonly #onChange: () => void
  readonly #ending = new AbortController()
  #child: { kill(signal: NodeJS.Signals): boolean } | undefined
  /** Resolves when the present run is over. */
  #run: Promise<void> = Promise.resolve()
  #timer: Timer | undefined
  #failures = 0
  #startedAtMs = 0
  #lastLine = ''
  #problem: string | undefined

  constructor(program: Program, { clock, log, runDir, launcher = [] }: ProgramsOptions, onChange: () => void) {
    this.#program = program
    this.#clock = clock
    this.#log = log
    this.#launcher = launcher
    this.#runs = runDir
    this.#onChange = onChange
    this.#start()
  }

  problem(): string | undefined {
    return this.#problem
  }

  readAgain(): void {
    this.#child?.kill('SIGHUP')
  }

  async stop(): Promise<void> {
    this.#ending.abort()
    this.#timer?.cancel()
    this.#child?.kill('SIGTERM')
    const killing = this.#clock.setTimer(GRACE_MS, () => this.#child?.kill('SIGKILL'))
    await this.#run
    killing.cancel()
  }

  #start(): void {
    if (this.#ending.signal.aborted) return
    const { name, file, args, env, user } = this.#program
    this.#startedAtMs = this.#clock.nowMs()
    const [first = '', ...rest] = [...this.#launcher, 'setpriv', ...tiedToUs(user), file, ...args]
    const child = execa(first, rest, {
      reject: false,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      // Nothing is kept in memory for a program that runs for years.
      buffer: false,
      extendEnv: false,
      env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', ...env },
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) this.#listen(stream)
    if (child.pid !== undefined) noteRun(this.#runs, name, child.pid)
    this.#log.info({ program: name, pid: child.pid }, 'program started')
    this.#run = child.then(({ exitCode, signal, cause }) => this.#ended(exitCode, signal, cause))
  }

  #listen(stream: NodeJS.ReadableStream): void {
    let rest = ''
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = (lines.pop() ?? '').slice(0, MAX_LINE)
      for (const line of lines.filter((each) => each.trim() !== '')) {
        this.#lastLine = line.trim().slice(0, MAX_LINE)
        this.#log.debug({ program: this.#program.name }, this.#lastLine)
      }
    })
  }

  #ended(exitCode: number | undefined, signal: string | undefined, cause: unknown): void {
    this.#child = undefined
    const { name } = this.#program
    if (this.#ending.signal.aborted) {
      this.#log.info({ program: name }, 'program ended')
      return
    }
    const nowMs = this.#clock.nowMs()
    this.#failures = nowMs - this.#startedAtMs > STABLE_MS ? 1 : this.#failures + 1
    const how = signal ?? (exitCode === undefined ? errorText(cause) : `code ${exitCode}`)
    const said = this.#lastLine === '' ? '' : `: ${this.#lastLine}`
    this.#problem = `${name} ended with ${how}${said}`
    this.#log.warn({ program: name, how, said: this.#lastLine }, 'program ended by itself and is started again')
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(backoffDelayMs(RETRY, this.#failures), () => {
      this.#start()
      this.#settle()
    })
    this.#onChange()
  }

  /** A program that fails again and again shows its reason until it has stayed for a moment. */
  #settle(): void {
    this.#timer = this.#clock.setTimer(RETRY.firstMs, () => {
      if (this.#child === undefined) return
      this.#problem = undefined
      this.#onChange()
    })
  }
}

function errorText(cause: unknown): string {
  return cause instanceof Error ? cause.message : 'an unknown error'
}
