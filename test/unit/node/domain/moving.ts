import type { MoveOrder, VmSpec } from '../../../../src/model/domain.ts'
import { UUID } from './fixtures.ts'
import { World } from './world.ts'

let orders = 0

/** The VM runs at hv1 and is ordered to hv2. */
export async function moving(change: Partial<VmSpec['meta']> = {}, order: Partial<MoveOrder> = {}) {
  const world = await World.create()
  await world.wish((spec) => ({ meta: { ...spec.meta, ...change } }))
  await world.turnOn()
  await world.running()
  const pid = world.hv1.libvirtd.domains.get(UUID)?.run?.pid
  orders += 1
  const id = `order-${orders}`
  const move: MoveOrder = { id, kind: 'migrate', isLiveOnly: false, policy: {}, ...order }
  await world.wish((spec) => ({ node: world.hv2.name, lastNode: spec.node, move }))
  return { world, pid, id }
}

/** Lets time go by in which the daemons hear of every change; a jump of the clock would leave them none. */
export async function advance(world: World, ms: number): Promise<void> {
  for (let goneMs = 0; goneMs < ms; goneMs += 10) {
    await world.until(() => true)
    await world.clock.advance(10)
  }
}

/** The VM runs there by its record and its own word. */
export function runsAt(node: 'hv1' | 'hv2') {
  return (status: { run: { node: string } | null; phase: string }) =>
    status.run?.node === node && status.phase === 'running'
}
