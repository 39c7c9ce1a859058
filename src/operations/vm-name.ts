import { isVmSpec } from '../model/domain.ts'
import { hasCode, PvcError } from '../model/errors.ts'
import type { VmUuid } from '../model/ids.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'

/**
 * VM names are unique because the creation of one znode decides. A reservation whose VM is a tombstone was left by a
 * removal or a define that died, and may be taken over by compare-and-set. The define it is taken from may still be alive:
 * it looks at the reservation again after it wrote its specification, and the one who takes over looks at the old VM again
 * after taking. Whatever the order of the four steps, at least one of them sees the other and gives way.
 * @throws PVC_OBJECT_EXISTS, PVC_OBJECT_CONFLICT
 */
export async function reserveName(
  session: StoreSession,
  name: string,
  uuid: VmUuid,
  undo: (() => Promise<void>)[],
): Promise<void> {
  const key = tree.vmNames.child(name)
  try {
    await session.create(key, { uuid })
    undo.push(() => session.remove(key.path, 0))
    return
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_EXISTS')) throw error
  }
  const present = await session.get(key)
  if (present === undefined)
    throw new PvcError('PVC_OBJECT_CONFLICT', `The name '${name}' was just released; try again`)
  const holder = present.value.uuid
  if (holder === uuid) return
  await refuseLiving(session, name, holder)
  const taken = await session.set(key, { uuid }, present.version)
  try {
    await refuseLiving(session, name, holder)
  } catch (error) {
    await session.set(key, { uuid: holder }, taken.version)
    throw error
  }
  undo.push(() => session.remove(key.path, taken.version))
}

async function refuseLiving(session: StoreSession, name: string, uuid: VmUuid): Promise<void> {
  const holder = await session.get(tree.vm(uuid).spec)
  if (isVmSpec(holder?.value) && holder.value.name === name)
    throw new PvcError('PVC_OBJECT_EXISTS', `A VM named '${name}' exists already`)
}

/** Frees the name of a removed VM; no error when it was taken over or freed before. */
export async function releaseName(session: StoreSession, name: string, uuid: VmUuid): Promise<void> {
  const key = tree.vmNames.child(name)
  const present = await session.get(key)
  if (present === undefined || present.value.uuid !== uuid) return
  try {
    await session.remove(key.path, present.version)
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_MISSING')) throw error
  }
}
