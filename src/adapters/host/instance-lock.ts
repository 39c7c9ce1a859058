/** One daemon per machine: two of them would take each other's proof of life away. */
import { mkdir, rm } from 'node:fs/promises'
import { createConnection, createServer, type Server } from 'node:net'
import { dirname } from 'node:path'
import { PvcError } from '../../model/errors.ts'

const ASK_MS = 1000

/**
 * Takes the lock and holds it until `release` or the end of the process: a listening unix socket, which the kernel closes
 * whatever happens to the daemon.
 * @throws PvcError PVC_STATE_REFUSED when another process holds it
 */
export async function takeInstanceLock(path: string): Promise<{ release(): Promise<void> }> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  // Twice: the first finds the file that a killed daemon left behind.
  for (const isLast of [false, true]) {
    const server = await listen(path)
    if (server !== undefined) {
      server.unref()
      return { release: () => new Promise((resolve) => server.close(() => resolve())) }
    }
    if (isLast || (await isAnswered(path))) break
    await rm(path, { force: true })
  }
  throw new PvcError('PVC_STATE_REFUSED', `another pvcnoded runs on this machine (it holds ${path})`)
}

/** @returns undefined when the address is taken */
function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen(path, () => resolve(server))
  })
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path)
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
    // A stopped daemon does not answer, and still holds the lock.
    socket.setTimeout(ASK_MS, () => end(true))
  })
}
