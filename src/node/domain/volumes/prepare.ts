import { PvcError } from '../../../model/errors.ts'
import type { VolumeRef } from '../../../model/ids.ts'
import type { Ceph } from '../../../ports/ceph.ts'
import type { NodeFiles } from '../../../ports/files.ts'
import type { Log } from '../../../ports/log.ts'
import { planVolumes, type VolumeState, type VolumeStep } from './plan.ts'

/** A dead client of ours never comes back under the same address and nonce; a day is plenty. */
const CLIENT_BLOCKLIST_S = 86_400

export type VolumePorts = {
  readonly ceph: Pick<Ceph, 'locks' | 'watchers' | 'blocklistClient' | 'evictLocker'>
  readonly files: Pick<NodeFiles, 'volumeUsers'>
  readonly storageAddresses: readonly string[]
  readonly log: Log
}

/**
 * Makes the volumes of a VM free of dead clients of this node.
 * @param isExitUnclean also look for watches, which cost another call per volume.
 * @throws PvcError PVC_VOLUME_LOCKED when somebody else holds a lock, PVC_CEPH_*
 */
export async function prepareVolumes(
  ports: VolumePorts,
  volumes: readonly VolumeRef[],
  isExitUnclean: boolean,
): Promise<void> {
  const states = await Promise.all(volumes.map((volume) => observeVolume(ports, volume, isExitUnclean)))
  const plan = planVolumes(states, ports.storageAddresses)
  if (plan.kind === 'refused') throw new PvcError('PVC_VOLUME_LOCKED', plan.reason)
  for (const step of plan.steps) await applyStep(ports, step)
}

async function observeVolume(ports: VolumePorts, volume: VolumeRef, isExitUnclean: boolean): Promise<VolumeState> {
  const [locks, watchers] = await Promise.all([
    ports.ceph.locks(volume),
    isExitUnclean ? ports.ceph.watchers(volume) : Promise.resolve([]),
  ])
  const isInUse = locks.length > 0 || watchers.length > 0
  return { volume, locks, watchers, localUsers: isInUse ? await ports.files.volumeUsers(volume) : [] }
}

async function applyStep(ports: VolumePorts, step: VolumeStep): Promise<void> {
  if (step.kind === 'blocklist') {
    ports.log.info({ address: step.address }, 'blocklisting a dead RBD client of this node')
    return ports.ceph.blocklistClient(step.address, CLIENT_BLOCKLIST_S)
  }
  ports.log.info({ volume: step.volume, lock: step.lock }, 'breaking the lock of a dead RBD client of this node')
  return ports.ceph.evictLocker(step.volume, step.lock, CLIENT_BLOCKLIST_S)
}
