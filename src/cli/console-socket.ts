/** The WebSocket of an interactive console, as the terminal sees it. Loaded only by the command that needs it. */
import type { IncomingMessage } from 'node:http'
import { type RawData, WebSocket } from 'ws'
import type { Clock, Timer } from '../base/clock.ts'
import { readAnswer, unreachableFailure } from './answer.ts'
import type { SocketRequest } from './client.ts'
import { CommandFailure, systemErrorCode } from './failure.ts'
import type { RawTerminal } from './host.ts'
import { errorCodeOf, TransportError } from './transport.ts'

/** Ctrl-], which ends the session, as with `virsh console`. */
const ESCAPE = 0x1d
/** The node has 10 s for libvirt, the API some more for the node. */
const OPEN_MS = 20_000
/** The node says something every 10 s, also when the guest is quiet. */
const SILENCE_MS = 30_000
/** An answer to our goodbye is not waited for longer. */
const GOODBYE_MS = 1000
/** More output than this waits at the other end until the terminal has shown what there is. */
const MAX_UNSHOWN_BYTES = 256 * 1024
/** Largest piece that is sent at once; the node takes no larger ones. */
const MAX_PIECE_BYTES = 16 * 1024
const CLOSED_IN_ORDER = 1000

/** What of the typed bytes goes to the guest, and whether the escape character came behind it. */
export function splitAtEscape(typed: Uint8Array): { readonly text: Uint8Array; readonly isEscaped: boolean } {
  const at = typed.indexOf(ESCAPE)
  return at < 0 ? { text: typed, isEscaped: false } : { text: typed.subarray(0, at), isEscaped: true }
}

/** Opens the WebSocket. @throws ApiFailure when the server refuses, CommandFailure when it cannot be reached */
export function openConsoleSocket({ origin, path, headers, verifyTls }: SocketRequest): Promise<WebSocket> {
  const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}${path}`, {
    headers,
    rejectUnauthorized: verifyTls,
    handshakeTimeout: OPEN_MS,
    perMessageDeflate: false,
    maxPayload: 1024 * 1024,
  })
  return new Promise((resolve, reject) => {
    socket.once('open', () => {
      socket.removeAllListeners('error')
      // The guest may speak at once: nothing is lost before somebody listens.
      socket.pause()
      resolve(socket)
    })
    socket.once('unexpected-response', (request, answer) => {
      readRefusal(answer, origin).then(reject, reject)
      request.on('error', () => undefined)
    })
    socket.once('error', (error) => {
      const failure = new TransportError(systemErrorCode(error), error.message, false, error)
      reject(unreachableFailure(failure, [origin], true))
    })
  })
}

/** @throws ApiFailure with the server's reason */
async function readRefusal(answer: IncomingMessage, origin: string): Promise<CommandFailure> {
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  const contentType = answer.headers['content-type'] ?? ''
  const text = Buffer.concat(chunks).toString('utf8')
  readAnswer({ status: answer.statusCode ?? 0, contentType, text, errorCode: errorCodeOf(answer) }, origin)
  return new CommandFailure(`${origin} does not open consoles: does pvcapid run the same release?`)
}

/**
 * Joins terminal and WebSocket until the escape character, the end of the input, or the end of the console.
 * @returns why it ended, for the person who sat there
 * @throws CommandFailure when the connection was lost
 */
export function converse(socket: WebSocket, terminal: RawTerminal, clock: Clock): Promise<string> {
  return new Promise((resolve, reject) => {
    let silence: Timer | undefined
    let unshownBytes = 0
    const finish = (settle: () => void) => {
      silence?.cancel()
      settle()
    }
    const lost = (why: string) =>
      finish(() => reject(new CommandFailure(`The connection to the console was lost: ${why}. The guest runs on.`)))
    const alive = () => {
      silence?.cancel()
      silence = clock.setTimer(SILENCE_MS, () => {
        lost(`nothing was heard for ${SILENCE_MS / 1000} s`)
        socket.terminate()
      })
    }
    const leave = () => {
      socket.close(CLOSED_IN_ORDER)
      const timer = clock.setTimer(GOODBYE_MS, () => socket.terminate())
      socket.once('close', () => timer.cancel())
      finish(() => resolve('Left the console.'))
    }
    socket.on('ping', alive)
    socket.on('error', (error) => lost(error.message))
    socket.on('close', (code, reason) => {
      if (code === CLOSED_IN_ORDER) finish(() => resolve(`The console ended: ${reason.toString()}.`))
      else lost(reason.toString() || 'the API or the node closed it')
    })
    socket.on('message', (data: RawData) => {
      const bytes = data as Buffer
      unshownBytes += bytes.length
      if (unshownBytes > MAX_UNSHOWN_BYTES) socket.pause()
      terminal.write(bytes, () => {
        unshownBytes -= bytes.length
        if (unshownBytes <= MAX_UNSHOWN_BYTES && socket.isPaused) socket.resume()
      })
    })
    terminal.onInput((typed) => {
      if (typed === undefined) return leave()
      const { text, isEscaped } = splitAtEscape(typed)
      for (let at = 0; at < text.length; at += MAX_PIECE_BYTES) socket.send(text.subarray(at, at + MAX_PIECE_BYTES))
      if (isEscaped) leave()
    })
    alive()
    socket.resume()
  })
}
