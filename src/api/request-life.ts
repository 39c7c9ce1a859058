/** How long somebody waits for the answer to a request. */
export type RequestLife = {
  /** Aborts when the connection closes before the answer was sent, and when the server ends. */
  readonly signal: AbortSignal
  /** Lets go of the server's signal before the answer closes: for one that becomes a tunnel, whose close nobody reports. */
  release(): void
}

/** What is needed of the answer of a request. */
export type ReplyEnd = {
  once(event: 'close', listener: () => void): unknown
  readonly writableFinished: boolean
  readonly destroyed: boolean
}

/**
 * The life of one request. Not `AbortSignal.any`: it leaves a reference with the server's signal for every request that ever
 * was, and refuses when these are 2^24.
 */
export function requestLife(reply: ReplyEnd, closing: AbortSignal): RequestLife {
  const controller = new AbortController()
  const end = () => controller.abort()
  const release = () => closing.removeEventListener('abort', end)
  if (closing.aborted || reply.destroyed) {
    end()
    return { signal: controller.signal, release }
  }
  closing.addEventListener('abort', end, { once: true })
  reply.once('close', () => {
    release()
    if (!reply.writableFinished) end()
  })
  return { signal: controller.signal, release }
}
