import { MutableSignal, type Signal } from '../base/signal.ts'
import type { DaemonState } from '../model/node.ts'
import type { Membership } from './membership/membership.ts'

/** Whether this node works: its daemon runs and it is certified. Only such a node can be primary. */
export function createAbleSignal(daemon: Signal<DaemonState>, membership: Membership): Signal<boolean> {
  const isAble = new MutableSignal(false)
  const look = (): void => isAble.set(daemon.value === 'run' && membership.certificate() !== undefined)
  daemon.subscribe(look)
  membership.state.subscribe(look)
  return isAble
}
