/** The ZooKeeper server of this machine, asked by its four-letter command `srvr` (whitelisted in the shipped zoo.cfg). */
import { createConnection } from 'node:net'
import type { LocalServer, ServerState } from '../../ports/peer.ts'

const MAX_ANSWER = 16 * 1024

/** Asks the server at an address; nothing is kept between two questions. */
export function createLocalServer(address: string, port: number): LocalServer {
  return {
    state: (deadlineMs) =>
      new Promise<ServerState>((resolve) => {
        let text = ''
        const socket = createConnection({ host: address, port })
        const end = (state: ServerState): void => {
          clearTimeout(timer)
          resolve(state)
          socket.destroy()
        }
        // A frozen server takes connections (its kernel does) and never answers: the deadline covers the whole exchange.
        const timer = setTimeout(() => end('silent'), deadlineMs)
        socket.setEncoding('utf8')
        socket.on('connect', () => socket.end('srvr'))
        socket.on('data', (chunk: string) => {
          text += chunk
          if (text.length > MAX_ANSWER) end('silent')
        })
        socket.on('error', (error: NodeJS.ErrnoException) => end(error.code === 'ECONNREFUSED' ? 'refused' : 'silent'))
        socket.on('close', () => end(serverState(text)))
      }),
  }
}

/** What an answer to `srvr` says; an empty or unknown one says nothing. */
export function serverState(answer: string): ServerState {
  if (/^Mode: \w+/m.test(answer)) return 'serving'
  return answer.includes('not currently serving requests') ? 'not-serving' : 'silent'
}
