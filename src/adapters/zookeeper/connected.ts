import type { Clock } from '../../base/clock.ts'
import type { Signal } from '../../base/signal.ts'
import { PvcError } from '../../model/errors.ts'
import type { StoreSession } from '../../ports/store.ts'

/** Waits for a session in state connected. @throws PVC_STORE_UNAVAILABLE after `deadlineMs` */
export function waitConnected<S extends StoreSession>(
  clock: Clock,
  session: Signal<S | undefined>,
  deadlineMs: number,
): Promise<S> {
  return new Promise<S>((resolve, reject) => {
    const stops: (() => void)[] = []
    const stopAll = () => {
      for (const stop of stops.splice(0)) stop()
    }
    const look = () => {
      const now = session.value
      if (now?.state.value !== 'connected') return false
      stopAll()
      resolve(now)
      return true
    }
    const follow = (next: S | undefined) => {
      if (!look() && next) stops.push(next.state.subscribe(look))
    }
    if (look()) return
    const timer = clock.setTimer(deadlineMs, () => {
      stopAll()
      reject(new PvcError('PVC_STORE_UNAVAILABLE', `no connection to ZooKeeper within ${deadlineMs} ms`))
    })
    stops.push(() => timer.cancel(), session.subscribe(follow))
    follow(session.value)
  })
}
