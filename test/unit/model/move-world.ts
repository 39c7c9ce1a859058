/** VMs at the moments of a move. */
import type { MoveOrder } from '../../../src/model/domain.ts'
import { type VmPlace, vmFacts } from './placement-world.ts'

export const order = (change: Partial<MoveOrder> = {}): MoveOrder => ({
  id: 'old',
  kind: 'migrate',
  isLiveOnly: false,
  policy: {},
  ...change,
})

/** A VM that runs at a. */
export const running = (place: Partial<VmPlace> = {}) => vmFacts('web', { node: 'a', power: 'on', run: 'a', ...place })
/** It runs at a and was sent to b. */
export const leaving = (move: Partial<MoveOrder> = {}, place: Partial<VmPlace> = {}) =>
  running({ node: 'b', lastNode: 'a', spec: { move: order(move) }, ...place })
export const failed = (isFinal: boolean, move: Partial<MoveOrder> = {}) =>
  leaving(move, { status: { moveFailure: { orderId: 'old', reason: 'no route', isFinal } } })
/** It runs at b, and a is its home. */
export const away = (place: Partial<VmPlace> = {}) => running({ node: 'b', lastNode: 'a', run: 'b', ...place })
