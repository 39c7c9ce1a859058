/** A PID namespace with the real guard, processes that look like QEMU, and a FIFO in place of the watchdog. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSystemClock } from '../../../src/adapters/clock/system.ts'
import { createGuardPages, type GuardPages } from '../../../src/adapters/guard/guard.ts'
import { bootTimeNs } from '../../../src/adapters/libvirt/system.ts'
import type { GuardOrder, GuardReport, GuardSettings } from '../../../src/ports/guard.ts'
import { pollUntil } from '../../lab/poll.ts'

const program = join(import.meta.dirname, '../../../native/guard/build/pvc-guard')
const clock = createSystemClock(bootTimeNs)
/** It never ends by itself; the words after it look like those that libvirt gives to QEMU. */
const wait = 'exec 9<>"$0"; read -r -u 9'

export class GuardRoom {
  readonly dir = mkdtempSync(join(tmpdir(), 'pvc-guard-'))
  readonly run = join(this.dir, 'run')
  readonly device = join(this.dir, 'watchdog')
  readonly settings: GuardSettings = {
    boundMs: 1000,
    killMs: 1000,
    watchdog: { device: this.device, timeoutS: 10, fixedTimeoutS: 10 },
  }
  readonly pages: GuardPages
  readonly #children: ChildProcess[] = []
  #init: number | undefined
  #guard: ChildProcess | undefined
  #reader: number | undefined
  #log = ''

  constructor() {
    for (const folder of ['permit', 'incoming']) mkdirSync(join(this.run, folder), { recursive: true })
    execFileSync('mkfifo', [this.device, join(this.dir, 'never')])
    copyFileSync('/bin/bash', join(this.dir, 'qemu-system-x86_64'))
    this.pages = createGuardPages({ runDir: this.run, clock })
  }

  /** @param init what the namespace's first process is; a process cannot be killed from inside its own namespace when it is the first */
  async start(init: 'plain' | 'unkillable-qemu' = 'plain'): Promise<void> {
    const shell = init === 'plain' ? '/bin/bash' : join(this.dir, 'qemu-system-x86_64')
    const unshare = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc']
    const words = ['--pdeathsig', 'KILL', ...unshare, shell, '-c', wait, join(this.dir, 'never'), '-uuid', 'init']
    const child = spawn('setpriv', words, { stdio: 'ignore' })
    this.#children.push(child)
    this.#init = await pollUntil({ what: 'the namespace', timeoutMs: 5000, intervalMs: 5 }, async () => {
      const own = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim()
      const isReady = own !== '' && readFileSync(`/proc/${own}/cmdline`, 'utf8').includes('-uuid')
      return isReady ? Number(own) : undefined
    })
  }

  #spawnInside(argv: readonly string[]): ChildProcess {
    const words = ['-t', String(this.#init), '-p', '-m', '--', ...argv]
    const child = spawn('nsenter', words, { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr?.on('data', (data) => {
      this.#log += String(data)
    })
    this.#children.push(child)
    return child
  }

  get log(): string {
    return this.#log
  }

  /** Starts the guard and waits until it reports. */
  async startGuard(): Promise<void> {
    const page = join(this.run, 'guard-state')
    const writtenMs = (): number => (existsSync(page) ? statSync(page).mtimeMs : 0)
    const beforeMs = writtenMs()
    this.#guard = this.#spawnInside([program, '--run', this.run])
    await this.until('the guard runs', (report) => report.isRunning && writtenMs() > beforeMs)
  }

  /** The guard's own process, seen from outside: nsenter forks to enter a PID namespace. */
  get guardPid(): number {
    const { pid } = this.#guard ?? {}
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim())
  }

  async endGuard(signal: NodeJS.Signals): Promise<void> {
    const guard = this.#guard
    process.kill(this.guardPid, signal)
    await pollUntil(
      { what: 'the end of the guard', timeoutMs: 5000, intervalMs: 10 },
      async () => guard?.exitCode !== null || guard?.signalCode !== null,
    )
  }

  /** A guest; `words` are its arguments. @returns its pid, seen from outside */
  async qemu(
    words: readonly string[] = ['-name', 'guest=web', '-uuid', 'u'],
    shell = 'qemu-system-x86_64',
  ): Promise<number> {
    const nsenter = this.#spawnInside([join(this.dir, shell), '-c', wait, join(this.dir, 'never'), ...words])
    return pollUntil({ what: 'a QEMU', timeoutMs: 5000, intervalMs: 5 }, async () => {
      const own = readFileSync(`/proc/${nsenter.pid}/task/${nsenter.pid}/children`, 'utf8').trim()
      return own !== '' && readFileSync(`/proc/${own}/exe`).length > 0 && Number(own)
    })
  }

  /** Until so much time has passed by the guard's clock: to see that nothing happens meanwhile. */
  async elapsed(ms: number): Promise<void> {
    const endMs = clock.nowMs() + ms
    await pollUntil({ what: `${ms} ms`, timeoutMs: ms + 5000, intervalMs: 10 }, async () => clock.nowMs() >= endMs)
  }

  now(): number {
    return clock.nowMs()
  }

  order(change: Partial<GuardOrder> = {}): GuardOrder {
    const order = { isArmed: true, baseMs: clock.nowMs(), clearedLatch: 0, settings: this.settings, ...change }
    this.pages.order(order)
    return order
  }

  /** Arms it with a contact of now and waits until it says so. @returns the base */
  async arm(boundMs = this.settings.boundMs): Promise<number> {
    const { baseMs } = this.order({ settings: { ...this.settings, boundMs } })
    await this.until('armed', (report) => report.isArmed)
    return baseMs
  }

  async until(what: string, is: (report: GuardReport) => boolean, timeoutMs = 5000): Promise<GuardReport> {
    return pollUntil(
      { what: `${what} (${JSON.stringify(this.pages.report())})`, timeoutMs, intervalMs: 5 },
      async () => {
        const report = this.pages.report()
        return is(report) && report
      },
    )
  }

  permit(uuid: string): string {
    const file = join(this.run, 'permit', uuid)
    writeFileSync(file, 'life 1\n')
    return file
  }

  isLatchFileThere(): boolean {
    return existsSync(join(this.run, 'guard-latch'))
  }

  /** What was written to the watchdog since the last call. */
  fed(): string {
    this.#reader ??= openSync(this.device, constants.O_RDONLY | constants.O_NONBLOCK)
    const buffer = Buffer.alloc(4096)
    try {
      return buffer.toString('latin1', 0, readSync(this.#reader, buffer, 0, buffer.length, null))
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return ''
      throw error
    }
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    if (this.#reader !== undefined) closeSync(this.#reader)
    this.pages.close()
    if (this.#init !== undefined) {
      const init = this.#init
      await pollUntil({ what: 'the end of the namespace', timeoutMs: 5000 }, async () => !existsSync(`/proc/${init}`))
    }
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** A killed process may be a zombie until its parent looks. */
export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
