/** The console of one VM while its run record is this node's: from the log file into the store. */
import { Reconciler } from '../base/reconciler.ts'
import { type ConsoleLog, readConsoleLog } from '../model/console-xml.ts'
import { isVmSpec } from '../model/domain.ts'
import { errorChain, hasCode, PvcError } from '../model/errors.ts'
import type { VmUuid } from '../model/ids.ts'
import { tree } from '../schema/tree.ts'
import type { ByteBudget } from './budget.ts'
import type { ConsoleDeps } from './deps.ts'
import { locate } from './stream-end.ts'
import { StreamWriter } from './stream-writer.ts'
import { Tail } from './tail.ts'

const RETRY_MS = 1000
const RESCAN_MS = 60_000

export type GuestConsoleOptions = {
  readonly deps: ConsoleDeps
  readonly uuid: VmUuid
  /** run.seq of the record under which the VM is here. */
  readonly seq: number
  /** More than 0. */
  readonly lines: number
  readonly isFollowed: () => boolean
  readonly budget: ByteBudget
}

export class GuestConsole {
  readonly seq: number
  readonly #options: GuestConsoleOptions
  readonly #opening: Reconciler
  #lines: number
  #writer: StreamWriter | undefined
  #tail: Tail | undefined
  #source: ConsoleLog | undefined
  /** The guest was started, or what is known of its file may be wrong: look at the definition. */
  #mustLook = true
  #hasStarted = false
  #isEnding = false

  constructor(options: GuestConsoleOptions) {
    this.#options = options
    this.seq = options.seq
    this.#lines = options.lines
    this.#opening = new Reconciler({
      clock: options.deps.clock,
      rescanMs: RESCAN_MS,
      retryMs: RETRY_MS,
      pass: async () => {
        if (this.#mustLook) await this.#look()
        return {}
      },
      onError: (error) => this.#onError(error),
    })
    this.#opening.trigger()
  }

  /** The path of the file that is followed, if one is. */
  get path(): string | undefined {
    return this.#source?.file
  }

  /** libvirt says that the guest was started. */
  started(): void {
    this.#hasStarted = this.#tail !== undefined
    this.#mustLook = true
    this.#opening.trigger()
  }

  /** Its file changed. */
  changed(): void {
    this.#tail?.trigger()
  }

  /** Somebody began to follow. */
  followed(): void {
    this.#writer?.trigger()
  }

  keep(lines: number): void {
    this.#lines = lines
    this.#writer?.keep(lines)
  }

  /**
   * Reads and writes the rest and stops.
   * @param how `line`: the guest ended; `console`: it goes on elsewhere; undefined: it goes on here, without this process
   */
  async end(how: 'line' | 'console' | undefined): Promise<void> {
    this.#isEnding = true
    await this.#opening.stop()
    if (how === undefined) await this.#tail?.stop()
    else await this.#tail?.drain()
    await this.#writer?.finish(how)
    this.#options.deps.faults.clear(`CONSOLE_LOG_UNREADABLE:${this.#options.uuid}`)
  }

  async #look(): Promise<void> {
    const { deps, uuid } = this.#options
    const hasStarted = this.#hasStarted
    this.#mustLook = false
    this.#hasStarted = false
    try {
      const live = await deps.hypervisor.xml(uuid)
      const source = readConsoleLog(live ?? this.#definition() ?? '<domain/>')
      if (this.#tail !== undefined && source?.file === this.#source?.file) {
        this.#source = source
        if (hasStarted) this.#tail.restarted(source?.isAppended === false)
        return
      }
      await this.#tail?.drain()
      this.#tail = undefined
      if (source !== undefined && !this.#isEnding) await this.#open(source, live !== undefined)
      this.#source = source
    } catch (error) {
      this.#mustLook = true
      this.#hasStarted ||= hasStarted
      throw error
    }
  }

  #definition(): string | undefined {
    const { deps, uuid } = this.#options
    const document = deps.index.get(tree.vm(uuid).spec)?.value
    return isVmSpec(document) ? document.xml : undefined
  }

  async #open(source: ConsoleLog, isStarted: boolean): Promise<void> {
    const { deps, uuid, seq, isFollowed, budget } = this.#options
    const { clock, log } = deps
    const session = deps.session()
    if (session === undefined) throw new PvcError('PVC_STORE_UNAVAILABLE', 'ZooKeeper cannot be reached')
    const keys = tree.vm(uuid).console
    const writer = { node: deps.self, seq }
    const { place, isSameRun } = await locate(session, keys, writer)
    this.#writer ??= new StreamWriter(
      { keys, writer, session: deps.session, lines: this.#lines, isFollowed, budget, clock, log },
      place,
    )
    // Its start has emptied the file: where an earlier reader stopped means nothing any more.
    const isEmptied = isStarted && !source.isAppended && !isSameRun
    this.#tail = new Tail({
      files: deps.files,
      path: source.file,
      place: isEmptied ? undefined : place,
      firstLines: this.#lines,
      isStarted,
      clock,
      onPieces: (pieces) => this.#writer?.push(pieces),
      onProblem: (problem) => this.#onProblem(problem),
    })
    this.#tail.trigger()
  }

  #onProblem(problem: PvcError | undefined): void {
    const { faults } = this.#options.deps
    const id = `CONSOLE_LOG_UNREADABLE:${this.#options.uuid}`
    if (problem === undefined) faults.clear(id)
    else
      faults.set(
        id,
        'warning',
        `${errorChain(problem)}. The guest runs on; its console is not shown until this is mended.`,
      )
  }

  #onError(error: unknown): void {
    if (!(error instanceof PvcError)) throw error
    const { deps, uuid } = this.#options
    if (hasCode(error, 'PVC_XML_INVALID')) this.#onProblem(error)
    deps.log.debug({ vm: uuid, error: errorChain(error) }, 'a console could not be opened, trying again')
  }
}
