/** Consoles that people type into: one session per guest, ended with it. Output for logs is another matter, see guest-console.ts. */
import { errorChain, PvcError } from '../model/errors.ts'
import type { VmUuid } from '../model/ids.ts'
import type { ConsoleListener, DomainInfo, Hypervisor, OpenConsole } from '../ports/hypervisor.ts'
import type { Log } from '../ports/log.ts'

/** Sessions of one node at a time; each holds a connection and up to some MiB. */
export const MAX_SESSIONS = 16

type Session = { readonly end: (reason: string) => Promise<void> }

/** The open sessions of this node. */
export class ConsoleSessions {
  readonly #hypervisor: Pick<Hypervisor, 'get' | 'openConsole'>
  readonly #log: Log
  readonly #sessions = new Map<VmUuid, Session>()

  constructor(hypervisor: Pick<Hypervisor, 'get' | 'openConsole' | 'subscribe'>, log: Log) {
    this.#hypervisor = hypervisor
    this.#log = log
    hypervisor.subscribe((event) => {
      // Consoles go with the connection, and nothing is told by a connection that is gone.
      if (event.kind === 'connection' && !event.connected) this.#endAll('the node lost its connection to libvirt')
    })
  }

  /**
   * Opens the console of a guest of ours that runs here. `isForced` ends the session somebody else has.
   * @throws PVC_STATE_REFUSED, and what {@link Hypervisor.openConsole} throws
   */
  async open(uuid: VmUuid, isForced: boolean, listener: ConsoleListener): Promise<OpenConsole> {
    const present = this.#sessions.get(uuid)
    if (present !== undefined && !isForced)
      throw new PvcError('PVC_STATE_REFUSED', 'Somebody else uses this console; --force takes it over')
    if (present === undefined && this.#sessions.size >= MAX_SESSIONS)
      throw new PvcError('PVC_STATE_REFUSED', `This node has ${MAX_SESSIONS} consoles open already; close one first`)
    let isOver = false
    let opening: Promise<OpenConsole> | undefined
    const leave = async () => {
      isOver = true
      // A failed opening is told to who asked for it, and leaves nothing to close.
      const opened = await opening?.catch(() => undefined)
      await opened?.close().catch((error: unknown) => {
        this.#log.warn({ vm: uuid, error: errorChain(error) }, 'closing a console failed')
      })
      if (this.#sessions.get(uuid) === session) this.#sessions.delete(uuid)
    }
    const onEnd = (reason: string | undefined) => {
      if (isOver) return
      void leave()
      listener.onEnd(reason)
    }
    const session: Session = {
      end: async (reason) => {
        if (!isOver) listener.onEnd(reason)
        await leave()
      },
    }
    // At once, so that nobody opens the same console while this is under way.
    this.#sessions.set(uuid, session)
    try {
      await present?.end('somebody else took the console')
      requireOurs(await this.#hypervisor.get(uuid))
      // Somebody with more haste may have come meanwhile.
      if (isOver) throw new PvcError('PVC_STATE_REFUSED', 'Somebody else took the console meanwhile')
      opening = this.#hypervisor.openConsole(uuid, isForced, {
        onData: (data) => {
          if (!isOver) listener.onData(data)
        },
        onEnd,
      })
      const console = await opening
      return { write: (data) => console.write(data), close: leave }
    } catch (error) {
      await leave()
      throw error
    }
  }

  #endAll(reason: string): void {
    for (const session of [...this.#sessions.values()]) void session.end(reason)
  }
}

/** @throws PVC_STATE_REFUSED unless it is a guest of ours that was started: an arriving copy has no mark yet */
function requireOurs(domain: DomainInfo | undefined): void {
  const isStarting = domain?.state === 'paused' && domain.reason === 'starting-up'
  if (domain?.mark !== undefined && domain.state !== 'shutoff' && !isStarting) return
  throw new PvcError('PVC_STATE_REFUSED', 'The VM does not run on this node at the moment')
}
