/** Says in the store which streams somebody follows here, so that their nodes write at once. */
import type { Clock } from '../base/clock.ts'
import { Reconciler } from '../base/reconciler.ts'
import { followerName, type StreamId } from '../model/console.ts'
import { errorChain, hasCode, PvcError } from '../model/errors.ts'
import type { Log } from '../ports/log.ts'
import type { Store, StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'

const RESCAN_MS = 30_000
const RETRY_MS = 1000

export type StreamFollowersOptions = { readonly store: Store; readonly clock: Clock; readonly log: Log }

/** One ephemeral document per followed stream, however many follow it. They are a convenience: nothing fails without them. */
export class StreamFollowers {
  readonly #options: StreamFollowersOptions
  readonly #counts = new Map<StreamId, number>()
  readonly #told = new Map<StreamId, StoreSession>()
  readonly #loop: Reconciler
  readonly #unsubscribe: () => void

  constructor(options: StreamFollowersOptions) {
    this.#options = options
    this.#loop = new Reconciler({
      clock: options.clock,
      rescanMs: RESCAN_MS,
      retryMs: RETRY_MS,
      pass: async () => {
        await this.#tell()
        return {}
      },
      onError: (error) => {
        if (!(error instanceof PvcError)) throw error
        options.log.debug({ error: errorChain(error) }, 'followers could not be told, trying again')
      },
    })
    this.#unsubscribe = options.store.session.subscribe(() => this.#loop.trigger())
  }

  /** Somebody follows from now on. @returns the end of that */
  add(stream: StreamId): () => void {
    this.#counts.set(stream, (this.#counts.get(stream) ?? 0) + 1)
    this.#loop.trigger()
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      const left = (this.#counts.get(stream) ?? 1) - 1
      if (left > 0) this.#counts.set(stream, left)
      else this.#counts.delete(stream)
      this.#loop.trigger()
    }
  }

  async stop(): Promise<void> {
    this.#unsubscribe()
    await this.#loop.stop()
  }

  async #tell(): Promise<void> {
    const session = this.#options.store.session.value
    if (session?.state.value !== 'connected') return
    const keyOf = (stream: StreamId) => tree.followers.child(followerName(stream, session.id))
    for (const stream of this.#counts.keys()) {
      if (this.#told.get(stream) === session) continue
      await unless('PVC_STORE_EXISTS', () =>
        session.create(keyOf(stream), { since: this.#options.clock.wallMs() }, 'ephemeral'),
      )
      this.#told.set(stream, session)
    }
    for (const [stream, at] of this.#told) {
      if (this.#counts.has(stream)) continue
      if (at === session) await unless('PVC_STORE_MISSING', () => session.remove(keyOf(stream).path))
      this.#told.delete(stream)
    }
  }
}

async function unless(code: 'PVC_STORE_EXISTS' | 'PVC_STORE_MISSING', act: () => Promise<unknown>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (!hasCode(error, code)) throw error
  }
}
