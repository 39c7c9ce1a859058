/** Interactive consoles as other nodes ask for them: `GET /console?vm=UUID[&force=1]` with an upgrade to WebSocket. */
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { Clock } from '../../base/clock.ts'
import { type ErrorCode, errorChain, PvcError } from '../../model/errors.ts'
import { VmUuid } from '../../model/ids.ts'
import type { ConsoleListener, OpenConsole } from '../../ports/hypervisor.ts'
import type { Log } from '../../ports/log.ts'
import { ConsoleWire } from './console-wire.ts'
import type { PeerUpgrade } from './server.ts'

/** Path of the upgrade; the VM is in its query. */
export const CONSOLE_PATH = '/console'

/** Why no console was opened, as the body of an answer with an error status. */
export type ConsoleRefusal = { readonly code: ErrorCode; readonly message: string }

export type ConsoleUpgradeOptions = {
  /** Opens the console of a VM that runs on this node. */
  readonly open: (uuid: VmUuid, isForced: boolean, listener: ConsoleListener) => Promise<OpenConsole>
  readonly clock: Clock
  readonly log: Log
}

/** Largest message from the client: keystrokes, or a pasted text in pieces. */
const MAX_MESSAGE_BYTES = 64 * 1024

/** Takes over connections of authenticated nodes and joins each to a console. */
export function createConsoleUpgrade({ open, clock, log }: ConsoleUpgradeOptions): PeerUpgrade {
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: MAX_MESSAGE_BYTES })
  const broke = (error: unknown) => log.debug({ error: errorChain(error) }, 'an interactive console broke off')
  const serve: (call: Parameters<PeerUpgrade>[0]) => Promise<void> = async ({ request, socket, head, from }) => {
    const query = new URL(request.url ?? '', 'http://node').searchParams
    const uuid = VmUuid.safeParse(query.get('vm'))
    if (!uuid.success) return refuse(socket, new PvcError('PVC_ARGUMENT_INVALID', 'vm must be a UUID'))
    const wire = new ConsoleWire(clock)
    let console: OpenConsole
    try {
      console = await open(uuid.data, query.get('force') === '1', wire)
    } catch (error) {
      return refuse(socket, error)
    }
    // Also when the handshake fails below: then nobody else would close it.
    const close = () => void console.close().catch(broke)
    if (socket.destroyed) return close()
    socket.once('close', close)
    server.handleUpgrade(request, socket, head, (webSocket) => {
      log.info({ vm: uuid.data, from }, 'an interactive console is open')
      wire.attach(webSocket, console, broke)
    })
  }
  return (call) => {
    serve(call).catch((error: unknown) => {
      broke(error)
      call.socket.destroy()
    })
  }
}

/** Refusals are told in words; a bug only to our own log. */
function refuse(socket: Duplex, error: unknown): void {
  if (!(error instanceof PvcError)) throw error
  const refusal: ConsoleRefusal = { code: error.code, message: errorChain(error) }
  const body = JSON.stringify(refusal)
  const head = `HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}`
  socket.end(`${head}\r\nConnection: close\r\n\r\n${body}`)
}
