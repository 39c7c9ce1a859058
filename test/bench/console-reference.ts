/** The design of the Python system, as a baseline: twice a second, if the file changed, all of it is read and all of it written. */
import { readFile, stat } from 'node:fs/promises'
import type { StoreSession } from '../../src/ports/store.ts'
import type { Key } from '../../src/schema/key.ts'

const POLL_MS = 500
const LINES = 1000

/** The znode with the whole text. */
export function referenceKey(uuid: string): Key<string> {
  const codec = { schema: undefined as never, encode: (text: string) => text, decode: (text: string) => text }
  return { path: `/reference-${uuid}`, codec }
}

export class ReferenceConsole {
  readonly #session: StoreSession
  readonly #key: Key<string>
  readonly #file: string
  #seenMs = 0
  #version = -1
  #text = ''

  constructor(session: StoreSession, uuid: string, file: string) {
    this.#session = session
    this.#key = referenceKey(uuid)
    this.#file = file
  }

  start(): void {
    setInterval(() => {
      this.#look().catch((error: unknown) => console.error('reference:', error))
    }, POLL_MS)
  }

  async #look(): Promise<void> {
    const { mtimeMs } = await stat(this.#file)
    if (mtimeMs === this.#seenMs) return
    this.#seenMs = mtimeMs
    const lines = (await readFile(this.#file, 'utf8')).split('\n')
    const text = lines.slice(-LINES).join('\n')
    if (text === this.#text) return
    this.#text = text
    if (this.#version < 0) await this.#session.create(this.#key, text)
    else await this.#session.set(this.#key, text, -1)
    this.#version += 1
  }
}
