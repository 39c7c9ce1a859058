import type { VmUuid } from '../../model/ids.ts'
import type { DomainEnd } from '../../ports/files.ts'

/** A process of a fake machine that matters to us: a QEMU, or a tool that has a volume open. */
export type FakeProcess = {
  readonly pid: number
  /** The VM of a QEMU process; undefined for other tools. */
  readonly uuid: VmUuid | undefined
  /** `pool/volume` names in its arguments. */
  readonly volumes: readonly string[]
  /** Called once when the process ends by a signal it cannot answer. */
  readonly onKilled: () => void
  /** Called once when the process ends by SIGTERM; absent: it does not heed it. */
  readonly onTerminated?: () => void
}

/** The process table of one fake machine, shared by its fake hypervisor and its fake files. */
export class FakeProcesses {
  /** What the logs of libvirt on this machine say last of each domain, by its name. */
  readonly ends = new Map<string, DomainEnd>()
  readonly #processes = new Map<number, FakeProcess>()
  #nextPid = 1000

  spawn(process: Omit<FakeProcess, 'pid'>): number {
    this.#nextPid += 1
    this.#processes.set(this.#nextPid, { ...process, pid: this.#nextPid })
    return this.#nextPid
  }

  /** The process ended by itself or in an orderly way. */
  exit(pid: number): void {
    this.#processes.delete(pid)
  }

  /** SIGKILL. Nothing happens when the process is gone already. */
  kill(pid: number): void {
    const process = this.#processes.get(pid)
    if (!process) return
    this.#processes.delete(pid)
    process.onKilled()
  }

  /** SIGTERM. @returns false when the process is there and does not heed it */
  terminate(pid: number): boolean {
    const process = this.#processes.get(pid)
    if (!process) return true
    if (!process.onTerminated) return false
    this.#processes.delete(pid)
    process.onTerminated()
    return true
  }

  list(): readonly FakeProcess[] {
    return [...this.#processes.values()]
  }
}
