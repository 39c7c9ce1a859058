/**
 * Lets many callers share one run of expensive work: a call while a run is going on waits for the run after it, together
 * with everybody else who calls meanwhile. So each caller gets a result of a run that began after its call.
 */
export function shareNext<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> | undefined
  let next: Promise<T> | undefined
  const run = (): Promise<T> => {
    next = undefined
    const result = work()
    const current = result
      .catch(() => undefined)
      .finally(() => {
        if (running === current) running = undefined
      })
    running = current
    return result
  }
  return () => {
    if (running === undefined) return run()
    next ??= running.then(run)
    return next
  }
}
