import { sleep } from '../base/clock.ts'
import { isVmSpec, type VmSpec, type VmStatus } from '../model/domain.ts'
import { errorChain, hasCode, PvcError } from '../model/errors.ts'
import type { PoolName, VmUuid, VolumeName, VolumeRef } from '../model/ids.ts'
import type { StoreSession, Versioned } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import { dropDecisions } from './decisions.ts'
import { connectedSession, type OperationsDeps, seeOwnWrite, watchIndex } from './deps.ts'
import { dropConsole } from './stream-read.ts'
import { eachVm, requireVm } from './view.ts'
import { editVm } from './vm-edit.ts'
import { releaseName } from './vm-name.ts'
import { waitForVm } from './vm-wait.ts'
import { dropVolume } from './volume.ts'

/** How long a removal waits for the node to let go of the VM. */
const RELEASE_MS = 30_000
/** Races with a node that takes the record at the same moment; each costs it a start that it takes back. */
const MAX_ATTEMPTS = 5
/**
 * A copy that was arriving elsewhere is ended a moment after the VM is let go, and has the volumes open until then. Ceph
 * believes in a client that died without a word for 30 s.
 */
const VOLUME_FREE_MS = 40_000
const VOLUME_LOOK_MS = 500

export type VmRemoval = { readonly deleteDisks: boolean; readonly version: number | undefined }

/**
 * Stops a VM, waits until its run record is empty, and leaves a tombstone that remembers the last seq. Its volumes go
 * last, when nobody can start it any more; a volume that another VM names stays.
 * @throws PVC_WAIT_TIMEOUT, PVC_STATE_REFUSED, PVC_CEPH_FAILED when volumes are left (the VM is gone then)
 */
export async function removeVm(
  deps: OperationsDeps,
  nameOrUuid: string,
  removal: VmRemoval,
  signal?: AbortSignal,
): Promise<VmSpec> {
  const session = connectedSession(deps)
  await refuseWithoutHolder(session, requireVm(deps.index, nameOrUuid).spec.value)
  const stopped = await editVm(deps, nameOrUuid, removal.version, (spec) => {
    if (removal.deleteDisks) refuseSharedVolumes(deps, spec)
    return {
      ...spec,
      generation: spec.generation + 1,
      power: 'off',
      wishes: { ...spec.wishes, stopNow: spec.wishes.stopNow + 1 },
    }
  })
  await waitForRelease(deps, session, stopped, signal)
  await entomb(deps, session, stopped)
  await releaseName(session, stopped.name, stopped.uuid)
  await dropDecisions(deps, stopped.uuid)
  await dropConsole(session, stopped.uuid)
  if (removal.deleteDisks) await removeDisks(deps, stopped)
  return stopped
}

/** Nobody but the node that holds a VM can let go of it, so without it a removal would only switch the VM off. */
async function refuseWithoutHolder(session: StoreSession, spec: VmSpec): Promise<void> {
  const node = (await readStatus(session, spec.uuid))?.value.run?.node
  if (node === undefined || (await session.get(tree.node(node).alive)) !== undefined) return
  throw new PvcError(
    'PVC_STATE_REFUSED',
    `Node '${node}', which holds VM '${spec.name}', does not answer; nothing was changed. If it is dead, wait until it is fenced: 'pvc node fence-status ${node}'`,
  )
}

function refuseSharedVolumes(deps: OperationsDeps, spec: VmSpec): void {
  for (const { spec: other } of eachVm(deps.index)) {
    if (other.value.uuid === spec.uuid) continue
    const shared = other.value.rbdList.find((volume) => spec.rbdList.includes(volume))
    if (shared === undefined) continue
    throw new PvcError('PVC_STATE_REFUSED', `Volume '${shared}' is also used by VM '${other.value.name}'`)
  }
}

/** First the index says that the record is empty, then a read that is certain. */
async function waitForRelease(
  deps: OperationsDeps,
  session: StoreSession,
  spec: VmSpec,
  signal: AbortSignal | undefined,
): Promise<void> {
  if ((await readStatus(session, spec.uuid))?.value.run === null) return
  try {
    await waitForVm(deps, spec.uuid, RELEASE_MS, signal, (entry) => entry === undefined || entry.status.run === null)
  } catch (error) {
    if (!hasCode(error, 'PVC_WAIT_TIMEOUT')) throw error
    const node = (await readStatus(session, spec.uuid))?.value.run?.node
    throw new PvcError(
      'PVC_WAIT_TIMEOUT',
      `Node ${node ?? spec.node} has not stopped VM '${spec.name}' yet; nothing was removed, try again`,
      { cause: error },
    )
  }
}

function readStatus(session: StoreSession, uuid: VmUuid): Promise<Versioned<VmStatus> | undefined> {
  return session.get(tree.vm(uuid).status)
}

/**
 * Turns the specification into a tombstone and removes the status with the version that was empty. A node that read the
 * specification just before may still take the record: then the version differs, the node sees the tombstone and lets go,
 * and the tombstone gets the higher seq.
 */
async function entomb(deps: OperationsDeps, session: StoreSession, spec: VmSpec): Promise<void> {
  const keys = tree.vm(spec.uuid)
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const status = await readStatus(session, spec.uuid)
    const document = await session.get(keys.spec)
    if (document === undefined) return
    if (isVmSpec(document.value) && document.value.generation !== spec.generation)
      throw new PvcError('PVC_OBJECT_CONFLICT', `VM '${spec.name}' was changed while it was being removed`)
    const before = isVmSpec(document.value) ? 0 : document.value.deleted.lastSeq
    const lastSeq = Math.max(before, status?.value.seq ?? 0)
    const deleted = { at: deps.clock.wallMs(), lastSeq, generation: spec.generation }
    try {
      const written = await session.set(keys.spec, { uuid: spec.uuid, deleted }, document.version)
      if (status?.value.run === null) await session.remove(keys.status.path, status.version)
      if (status === undefined || status.value.run === null) return await seeOwnWrite(deps, keys.spec, written.mzxid)
    } catch (error) {
      if (!hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_MISSING')) throw error
    }
    // Whatever happens in this time, the next attempt reads again.
    await watchIndex(deps, RELEASE_MS / MAX_ATTEMPTS, undefined, () => isReleased(deps, spec.uuid, status?.version))
  }
  throw new PvcError(
    'PVC_WAIT_TIMEOUT',
    `VM '${spec.name}' is removed, but its node still holds its record; it lets go as soon as it notices`,
  )
}

/** True when the index shows a newer status that nobody holds. */
function isReleased(deps: OperationsDeps, uuid: VmUuid, version: number | undefined): boolean {
  const seen = deps.index.get(tree.vm(uuid).status)
  return seen === undefined || (seen.version !== version && seen.value.run === null)
}

async function removeDisks(deps: OperationsDeps, spec: VmSpec): Promise<void> {
  const left: string[] = []
  const endMs = deps.clock.nowMs() + VOLUME_FREE_MS
  for (const volume of spec.rbdList) {
    try {
      await dropFreedVolume(deps, volume, endMs)
    } catch (error) {
      left.push(`'${volume}' (${errorChain(error)})`)
    }
  }
  if (left.length === 0) return
  throw new PvcError(
    'PVC_CEPH_FAILED',
    `VM '${spec.name}' is removed, but not its volumes ${left.join(', ')}; remove them with 'storage volume remove'`,
  )
}

/** Removes a volume as soon as nobody has it open any more. @throws PVC_CEPH_BUSY when somebody still has at `endMs` */
async function dropFreedVolume(deps: OperationsDeps, volume: VolumeRef, endMs: number): Promise<void> {
  const [pool, name] = splitVolume(volume)
  for (;;) {
    try {
      return await dropVolume(deps, pool, name)
    } catch (error) {
      if (!hasCode(error, 'PVC_CEPH_BUSY') || deps.clock.nowMs() >= endMs) throw error
    }
    await sleep(deps.clock, VOLUME_LOOK_MS)
  }
}

/** `pool/volume` in its two parts. */
export function splitVolume(volume: VolumeRef): readonly [PoolName, VolumeName] {
  const slash = volume.indexOf('/')
  return [volume.slice(0, slash) as PoolName, volume.slice(slash + 1) as VolumeName]
}
