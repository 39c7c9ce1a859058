import type { ConsoleListener } from '../../ports/hypervisor.ts'
import { addon, type ConnectionHandle, type ConsoleHandle, type ListenerNumber } from './addon.ts'

/** An open serial console of a running domain. Reading stops while more than 1 MiB waits to be delivered. */
export class ConsoleStream {
  readonly #handle: ConsoleHandle
  readonly #listener: ListenerNumber
  #writes: Promise<void> = Promise.resolve()
  #closing: Promise<void> | undefined

  private constructor(handle: ConsoleHandle, listener: ListenerNumber) {
    this.#handle = handle
    this.#listener = listener
  }

  /** `device` is an alias such as `serial0`; undefined takes the first console. */
  static async open(
    connection: ConnectionHandle,
    uuid: string,
    device: string | undefined,
    flags: number,
    listener: ConsoleListener,
  ): Promise<ConsoleStream> {
    const early: (() => void)[] = []
    let stream: ConsoleStream | undefined
    const opened = await addon().consoleOpen(connection, uuid, device, flags, (message) => {
      const deliver = () => {
        if (message.data) listener.onData(message.data)
        else if (stream && !stream.#closing) {
          const end = () => listener.onEnd(message.message)
          // It ended by itself, perhaps with its connection: that it cannot be closed any more adds nothing.
          stream.close().then(end, end)
        }
      }
      // Output may arrive before the promise of the open call is looked at.
      if (stream) deliver()
      else early.push(deliver)
    })
    stream = new ConsoleStream(opened.handle, opened.listener)
    for (const deliver of early) deliver()
    return stream
  }

  /**
   * Sends keystrokes; writes keep their order, one at a time. Resolves when libvirt took them.
   * @throws LibvirtError when the console is closed.
   */
  write(data: Buffer): Promise<void> {
    const written = this.#writes.then(() => addon().consoleWrite(this.#handle, data))
    // A failed write fails its caller; the next one finds out for itself.
    this.#writes = written.catch(() => undefined)
    return written
  }

  /** Ends the session; nothing is delivered after this call, and `onEnd` is not called. Idempotent. */
  close(): Promise<void> {
    addon().forget(this.#listener)
    this.#closing ??= addon().consoleClose(this.#handle)
    return this.#closing
  }
}
