import type { RunRecord } from './domain.ts'
import type { FenceJournal } from './fence.ts'
import type { NodeName, VolumeRef } from './ids.ts'
import type { VolumeLock } from './storage.ts'
import { clientIp } from './storage-address.ts'

/** Whether the locks on a VM's volumes may be broken on an operator's word. Pure. */

/** A lock on a volume of the VM. */
export type HeldLock = {
  readonly volume: VolumeRef
  readonly lock: VolumeLock
  /** Its client has the volume open now, or had until half a minute ago. */
  readonly isOpen: boolean
}

/** A node as far as it can own a lock. */
export type LockOwner = {
  readonly node: NodeName
  readonly storageAddresses: readonly string[]
  readonly journal: FenceJournal
}

export type VmHold = {
  readonly run: RunRecord | null
  readonly isMigrating: boolean
}

/** break: nobody can be hurt. doubt: only with a person's word. stranger: never. */
export type LockVerdict =
  | { readonly kind: 'break'; readonly owner: NodeName }
  | { readonly kind: 'doubt'; readonly owner: NodeName; readonly reason: string }
  | { readonly kind: 'stranger'; readonly reason: string }

/**
 * Judges one lock. A node that does not hold the record has ended the VM's process before it let go, so what it left is
 * dead, unless the client still shows itself; a node that was proven over cannot write in any case.
 */
export function judgeLock(held: HeldLock, vm: VmHold, owners: readonly LockOwner[]): LockVerdict {
  const { volume, lock, isOpen } = held
  const ip = clientIp(lock.address)
  const owner = owners.find(({ storageAddresses }) => storageAddresses.includes(ip))
  if (owner === undefined) {
    const reason = `volume ${volume} is locked by ${lock.locker} at ${ip}, which is no node of this cluster; PVC never breaks a stranger's lock: end that client`
    return { kind: 'stranger', reason }
  }
  const { node } = owner
  const doubt = (reason: string): LockVerdict => ({ kind: 'doubt', owner: node, reason })
  if (isShutOut(owner, ip, vm.run)) return { kind: 'break', owner: node }
  if (vm.run?.node === node) return doubt(`node ${node} holds the VM, so its client ${lock.address} may be alive`)
  if (vm.isMigrating) return doubt(`the VM is being moved, so client ${lock.address} of node ${node} may be alive`)
  if (isOpen) return doubt(`client ${lock.address} of node ${node} had volume ${volume} open less than 30 s ago`)
  return { kind: 'break', owner: node }
}

/** Ceph takes nothing from this address, and the life that the record may still name is proven over. */
function isShutOut({ node, journal }: LockOwner, ip: string, run: RunRecord | null): boolean {
  if (journal.state !== 'evidence' && journal.state !== 'recovered') return false
  const isRecordDead = run?.node !== node || journal.deadLives.includes(run.life)
  return isRecordDead && journal.addresses.includes(ip) && journal.evidence.some(({ kind }) => kind === 'blocklist')
}

/** What an operator has to say, word by word, to have a lock broken whose client may be alive. */
export function lockForceSentence(vm: string): string {
  return `nothing writes to the volumes of ${vm}`
}
