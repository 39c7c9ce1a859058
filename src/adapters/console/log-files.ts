/** The directory of libvirt's serial logs on this machine. */
import { constants, type FSWatcher, watch } from 'node:fs'
import { type FileHandle, lstat, open } from 'node:fs/promises'
import { join, normalize } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { errorChain, PvcError } from '../../model/errors.ts'
import type { Log } from '../../ports/log.ts'
import type { LogFiles, OpenLogFile } from '../../ports/log-files.ts'

/** A watch that could not be set is tried again after this time; files are looked at on a timer meanwhile. */
const WATCH_RETRY_MS = 5000

export type LogFilesOptions = { readonly directory: string; readonly clock: Clock; readonly log: Log }

/** Every call looks at the disk; one inotify watch on the directory serves all files. */
export function createLogFiles({ directory, clock, log }: LogFilesOptions): LogFiles {
  const root = normalize(`${directory}/`)
  const inside = (path: string): string => {
    if (normalize(path) === path && path.startsWith(root)) return path
    throw new PvcError('PVC_CONSOLE_UNREADABLE', `The console log ${path} is not in ${root} (paths.consoleLogs)`)
  }
  return {
    async identify(path) {
      const found = await unlessMissing(path, () => lstat(inside(path), { bigint: true }))
      if (found === undefined) return undefined
      if (!found.isFile()) throw notRegular(path)
      return { id: idOf(found), sizeBytes: Number(found.size) }
    },
    async open(path) {
      // Neither a link to elsewhere nor a pipe, on which an open would wait.
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
      const handle = await unlessMissing(path, () => open(inside(path), flags))
      return handle && openFile(path, handle)
    },
    watch: (listener) => watchDirectory({ root, clock, log, listener }),
  }
}

async function openFile(path: string, handle: FileHandle): Promise<OpenLogFile> {
  const found = await handle.stat({ bigint: true })
  if (!found.isFile()) {
    await handle.close()
    throw notRegular(path)
  }
  return {
    id: idOf(found),
    sizeBytes: () => readable(path, async () => (await handle.stat()).size),
    read: (offset, maxBytes) =>
      readable(path, async () => {
        const buffer = Buffer.allocUnsafe(maxBytes)
        const { bytesRead } = await handle.read(buffer, 0, maxBytes, offset)
        return buffer.subarray(0, bytesRead)
      }),
    close: () => handle.close(),
  }
}

function idOf({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): string {
  return `${dev.toString(36)}:${ino.toString(36)}`
}

function notRegular(path: string): PvcError {
  return new PvcError('PVC_CONSOLE_UNREADABLE', `The console log ${path} is not a regular file`)
}

async function readable<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (cause) {
    if (cause instanceof PvcError) throw cause
    throw new PvcError('PVC_CONSOLE_UNREADABLE', `The console log ${path} cannot be read`, { cause })
  }
}

async function unlessMissing<T>(path: string, act: () => Promise<T>): Promise<T | undefined> {
  return readable(path, async () => {
    try {
      return await act()
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    }
  })
}

type DirectoryWatch = Omit<LogFilesOptions, 'directory'> & {
  readonly root: string
  readonly listener: (path: string | undefined) => void
}

function watchDirectory({ root, clock, log, listener }: DirectoryWatch): () => void {
  let watcher: FSWatcher | undefined
  let timer = clock.setTimer(0, begin)
  function begin(): void {
    try {
      watcher = watch(root, (_event, name) => listener(name === null ? undefined : join(root, name)))
      watcher.on('error', again)
      listener(undefined)
    } catch (error) {
      again(error)
    }
  }
  function again(error: unknown): void {
    log.debug(
      { directory: root, error: errorChain(error) },
      'console logs cannot be watched, they are looked at instead',
    )
    watcher?.close()
    timer = clock.setTimer(WATCH_RETRY_MS, begin)
  }
  return () => {
    timer.cancel()
    watcher?.close()
  }
}
