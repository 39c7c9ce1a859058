import type { VmUuid } from '../../model/ids.ts'
import type { ConsoleListener, OpenConsole } from '../../ports/hypervisor.ts'
import { type FakeDomain, failed } from './domain.ts'

/** Serial consoles of a fake libvirtd. Every guest answers what is typed with the same text. */
export class FakeConsoles {
  readonly #open = new Map<VmUuid, ConsoleListener>()

  /** @throws as libvirt would when somebody has the console */
  open({ uuid, name }: FakeDomain, isForced: boolean, listener: ConsoleListener): OpenConsole {
    const present = this.#open.get(uuid)
    if (present !== undefined && !isForced)
      throw failed('operation failed: Active console session exists for this domain')
    present?.onEnd(undefined)
    this.#open.set(uuid, listener)
    const isMine = () => this.#open.get(uuid) === listener
    return {
      write: async (data) => {
        if (!isMine()) throw failed(`cannot write to the console of ${name}: it is closed`)
        listener.onData(Buffer.from(data))
      },
      close: async () => {
        if (isMine()) this.#open.delete(uuid)
      },
    }
  }

  /** The guest prints something. */
  print(uuid: VmUuid, text: string): void {
    this.#open.get(uuid)?.onData(Buffer.from(text))
  }

  /** The guest ended. */
  end(uuid: VmUuid): void {
    const listener = this.#open.get(uuid)
    this.#open.delete(uuid)
    listener?.onEnd(undefined)
  }
}
