import type { VmSpec, VmStatus } from './domain.ts'
import { whereabouts } from './move.ts'

/** The one state word that older clients know, derived from wish and fact. */
export type CompatState =
  | 'start'
  | 'restart'
  | 'shutdown'
  | 'stop'
  | 'disable'
  | 'fail'
  | 'migrate'
  | 'migrate-live'
  | 'provision'
  | 'import'
  | 'restore'
  | 'mirror'

/** A VM on its way to another node: ordered, being copied, or handed over and not yet running there. */
export function isMoving(spec: VmSpec, status: VmStatus): boolean {
  if (status.migration !== null || status.handedOver !== null) return true
  return whereabouts({ spec, status }).goingTo !== undefined
}

/**
 * Derives the older state word. The order matters: a failure is shown before a wish, a move before a plain running state.
 */
export function compatState(spec: VmSpec, status: VmStatus): CompatState {
  if (spec.hold !== null) return spec.hold
  if (status.phase === 'failed') return 'fail'
  if (isMoving(spec, status)) return spec.move?.isLiveOnly === true ? 'migrate-live' : 'migrate'
  const isOn = status.run !== null && status.phase !== 'off'
  if (spec.power === 'on') return spec.wishes.restart > status.done.restart && isOn ? 'restart' : 'start'
  if (isOn) return 'shutdown'
  return spec.power === 'disabled' ? 'disable' : 'stop'
}
