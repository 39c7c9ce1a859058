import { isVmSpec } from '../model/domain.ts'
import { PvcError } from '../model/errors.ts'
import { CLOSED_JOURNAL } from '../model/fence.ts'
import type { NodeName, VolumeRef } from '../model/ids.ts'
import type { VolumeLock } from '../model/storage.ts'
import { type HeldLock, judgeLock, type LockOwner, lockForceSentence } from '../model/volume-locks.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import { connectedSession, type OperationsDeps } from './deps.ts'
import { readNodes, vmNotFound } from './view.ts'
import { resolveVm } from './vm-edit.ts'

/** A dead client never comes back under its address and nonce, and one that is alive after all must stay out. */
const CLIENT_BLOCKLIST_S = 365 * 86_400

/** A lock that was broken, and the node whose client held it. */
export type BrokenLock = { readonly volume: VolumeRef; readonly lock: VolumeLock; readonly owner: NodeName }

/**
 * Breaks the locks on the volumes of a VM, all or none, and shuts their clients out: one that is alive after all gets
 * errors instead of writing beside another. `force` is the sentence of lockForceSentence, or nothing.
 * @throws PVC_OBJECT_NOT_FOUND, PVC_STATE_REFUSED, PVC_CEPH_FAILED, PVC_CEPH_TIMEOUT
 */
export async function flushVmLocks(
  deps: OperationsDeps,
  nameOrUuid: string,
  force: string | undefined,
): Promise<{ readonly name: string; readonly broken: readonly BrokenLock[] }> {
  const uuid = await resolveVm(deps, nameOrUuid)
  const session = connectedSession(deps)
  const keys = tree.vm(uuid)
  const spec = (await session.get(keys.spec))?.value
  if (!isVmSpec(spec)) throw vmNotFound(nameOrUuid)
  const { name } = spec
  const sentence = lockForceSentence(name)
  if (force !== undefined && force !== sentence)
    throw refused(`Nothing was done. To vouch for it, 'force' has to be: ${sentence}`)
  const locks = await heldLocks(deps, spec.rbdList)
  if (locks.length === 0) return { name, broken: [] }
  // After the locks: a record taken since then belongs to a client whose lock is another one.
  const [owners, status] = await Promise.all([readOwners(deps, session), session.get(keys.status)])
  const vm = { run: status?.value.run ?? null, isMigrating: (status?.value.migration ?? null) !== null }
  const broken = locks.map((held): BrokenLock => {
    const verdict = judgeLock(held, vm, owners)
    if (verdict.kind === 'stranger') throw refused(`Nothing was done: ${verdict.reason}`)
    if (verdict.kind === 'doubt' && force === undefined) {
      throw refused(
        `Nothing was done: ${verdict.reason}. Stop the VM, or fence the node. If you KNOW that the client is dead, force it with the sentence: ${sentence}`,
      )
    }
    return { volume: held.volume, lock: held.lock, owner: verdict.owner }
  })
  for (const { volume, lock, owner } of broken) {
    deps.log.warn({ vm: uuid, volume, lock, owner, isForced: force !== undefined }, 'breaking a lock on order')
    await deps.ceph.evictLocker(volume, lock, CLIENT_BLOCKLIST_S)
  }
  return { name, broken }
}

function refused(message: string): PvcError {
  return new PvcError('PVC_STATE_REFUSED', message)
}

async function heldLocks({ ceph }: OperationsDeps, volumes: readonly VolumeRef[]): Promise<readonly HeldLock[]> {
  const perVolume = await Promise.all(
    volumes.map(async (volume) => {
      const locks = await ceph.locks(volume)
      if (locks.length === 0) return []
      const open = new Set((await ceph.watchers(volume)).map(({ address }) => address))
      return locks.map((lock) => ({ volume, lock, isOpen: open.has(lock.address) }))
    }),
  )
  return perVolume.flat()
}

/** Every node that ever reported, with its journal as it is now. */
function readOwners({ index }: OperationsDeps, session: StoreSession): Promise<readonly LockOwner[]> {
  return Promise.all(
    readNodes(index).map(async ({ spec, status }) => {
      const journal = (await session.get(tree.node(spec.name).fence))?.value ?? CLOSED_JOURNAL
      return { node: spec.name, storageAddresses: [...(status?.storageAddrs ?? []), ...journal.addresses], journal }
    }),
  )
}
