/** The two ends of an interactive console at its node: a WebSocket on one side, the guest on the other. */
import type { WebSocket } from 'ws'
import type { Clock, Timer } from '../../base/clock.ts'
import { errorChain } from '../../model/errors.ts'
import type { ConsoleListener, OpenConsole } from '../../ports/hypervisor.ts'

/** More output than this does not wait for a slow reader: it is skipped, and he is told how much. */
export const MAX_WAITING_BYTES = 1024 * 1024
/** More keystrokes than this do not wait for the guest: the sender is held back. */
const MAX_TYPED_BYTES = 64 * 1024
/** How often the other side must show that it is there. */
export const PING_MS = 10_000
const CLOSED_IN_ORDER = 1000
/** A close frame holds no more. */
const MAX_REASON_BYTES = 123

/** What a guest prints goes to the WebSocket once there is one; until then some of it waits. */
export class ConsoleWire implements ConsoleListener {
  readonly #clock: Clock
  #early: Buffer[] = []
  #earlyBytes = 0
  #skippedBytes = 0
  #socket: WebSocket | undefined
  #end: { readonly reason: string } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  onData(data: Buffer): void {
    const socket = this.#socket
    const waiting = socket?.bufferedAmount ?? this.#earlyBytes
    if (waiting + data.length > MAX_WAITING_BYTES) {
      this.#skippedBytes += data.length
    } else if (socket === undefined) {
      this.#early.push(data)
      this.#earlyBytes += data.length
    } else this.#send(socket, data)
  }

  onEnd(reason: string | undefined): void {
    this.#end ??= { reason: cutText(reason ?? 'the guest ended or moved, or its console was taken from outside') }
    this.#socket?.close(CLOSED_IN_ORDER, this.#end.reason)
  }

  /** From now on bytes flow both ways. The end of the WebSocket closes the console. */
  attach(socket: WebSocket, console: OpenConsole, onError: (error: unknown) => void): void {
    this.#socket = socket
    let typedBytes = 0
    socket.on('message', (data) => {
      const typed = data as Buffer
      typedBytes += typed.length
      if (typedBytes > MAX_TYPED_BYTES) socket.pause()
      const taken = () => {
        typedBytes -= typed.length
        if (typedBytes <= MAX_TYPED_BYTES && socket.isPaused) socket.resume()
      }
      console.write(typed).then(taken, (error: unknown) => this.onEnd(errorChain(error)))
    })
    socket.on('error', onError)
    const stopPings = this.#ping(socket)
    socket.once('close', () => {
      stopPings()
      console.close().catch(onError)
    })
    for (const data of this.#early.splice(0)) this.#send(socket, data)
    this.#tellSkipped(socket)
    if (this.#end) socket.close(CLOSED_IN_ORDER, this.#end.reason)
  }

  #send(socket: WebSocket, data: Buffer): void {
    socket.send(data, () => {
      if (socket.bufferedAmount < MAX_WAITING_BYTES / 2) this.#tellSkipped(socket)
    })
  }

  #tellSkipped(socket: WebSocket): void {
    if (this.#skippedBytes === 0) return
    const notice = `\r\n[pvc: ${this.#skippedBytes} bytes of output were skipped: the connection is too slow]\r\n`
    this.#skippedBytes = 0
    this.#send(socket, Buffer.from(notice))
  }

  /** A side that vanished without a word must not keep the console from others. */
  #ping(socket: WebSocket): () => void {
    let isThere = true
    let timer: Timer
    const beat = () => {
      if (!isThere) return socket.terminate()
      isThere = false
      socket.ping()
      timer = this.#clock.setTimer(PING_MS, beat)
    }
    socket.on('pong', () => {
      isThere = true
    })
    timer = this.#clock.setTimer(PING_MS, beat)
    return () => timer.cancel()
  }
}

function cutText(text: string): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= MAX_REASON_BYTES) return text
  // A character that was cut in two decodes to the replacement character.
  return bytes
    .subarray(0, MAX_REASON_BYTES - 3)
    .toString()
    .replace(/\ufffd+$/, '')
}
