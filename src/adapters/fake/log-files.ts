/** Log files in memory, for tests: what a guest, libvirt or an operator does to them is a call here. */
import { PvcError } from '../../model/errors.ts'
import type { LogFiles, OpenLogFile } from '../../ports/log-files.ts'

type Content = { readonly id: string; bytes: Uint8Array }

export class FakeLogFiles implements LogFiles {
  readonly #files = new Map<string, Content>()
  readonly #listeners = new Set<(path: string | undefined) => void>()
  #nextId = 1
  /** Every call fails while this is set. */
  failure: string | undefined
  /** Whether changes are told, as inotify does. */
  tells = true
  /** Bytes given out by reads. */
  readBytes = 0

  append(path: string, data: string | Uint8Array): void {
    const more = typeof data === 'string' ? new TextEncoder().encode(data) : data
    const file = this.#files.get(path) ?? this.#create(path)
    const bytes = new Uint8Array(file.bytes.length + more.length)
    bytes.set(file.bytes)
    bytes.set(more, file.bytes.length)
    file.bytes = bytes
    this.#tell(path)
  }

  sizeBytes(path: string): number {
    return this.#files.get(path)?.bytes.length ?? 0
  }

  truncate(path: string): void {
    const file = this.#files.get(path)
    if (file) file.bytes = new Uint8Array()
    this.#tell(path)
  }

  /** As virtlogd changes files: `path.1` to `path.2`, `path.0` to `path.1`, `path` to `path.0`. */
  rotate(path: string): void {
    for (const [from, to] of [
      [`${path}.1`, `${path}.2`],
      [`${path}.0`, `${path}.1`],
      [path, `${path}.0`],
    ] as const) {
      const file = this.#files.get(from)
      if (file === undefined) continue
      this.#files.delete(from)
      this.#files.set(to, file)
    }
    this.#tell(path)
  }

  remove(path: string): void {
    this.#files.delete(path)
    this.#tell(path)
  }

  async identify(path: string) {
    this.#check(path)
    const file = this.#files.get(path)
    return file && { id: file.id, sizeBytes: file.bytes.length }
  }

  async open(path: string): Promise<OpenLogFile | undefined> {
    this.#check(path)
    const file = this.#files.get(path)
    if (file === undefined) return undefined
    return {
      id: file.id,
      sizeBytes: async () => file.bytes.length,
      read: async (offset, maxBytes) => {
        this.#check(path)
        const bytes = file.bytes.slice(offset, offset + maxBytes)
        this.readBytes += bytes.length
        return bytes
      },
      close: async () => undefined,
    }
  }

  watch(listener: (path: string | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #create(path: string): Content {
    const file = { id: `1:${this.#nextId}`, bytes: new Uint8Array() }
    this.#nextId += 1
    this.#files.set(path, file)
    return file
  }

  #check(path: string): void {
    if (this.failure !== undefined) throw new PvcError('PVC_CONSOLE_UNREADABLE', `${path}: ${this.failure}`)
  }

  #tell(path: string): void {
    if (this.tells) for (const listener of [...this.#listeners]) listener(path)
  }
}
