import { emptyVmStatus, type VmSpec, type VmStatus } from '../../../../src/model/domain.ts'
import { LifeId, NodeName, VmUuid, VolumeRef } from '../../../../src/model/ids.ts'
import { FIRST_MEMORY, type VmMemory, wishKey } from '../../../../src/node/domain/memory.ts'
import type { LocalDomain, MoveObservation, VmObservation } from '../../../../src/node/domain/observation.ts'

export const SELF = NodeName.parse('hv1')
export const OTHER = NodeName.parse('hv2')
export const LIFE = LifeId.parse('life-1')
export const OLD_LIFE = LifeId.parse('life-0')
export const UUID = VmUuid.parse('aaaaaaaa-0000-4000-8000-000000000001')
export const VOLUME = VolumeRef.parse('vms/web')

/** A spec that wants the VM on at this node. */
export function spec(change: Partial<VmSpec> = {}): VmSpec {
  return {
    uuid: UUID,
    name: 'web',
    generation: 3,
    power: 'on',
    wishes: { start: 1, restart: 0, stopNow: 0 },
    node: SELF,
    lastNode: null,
    move: null,
    hold: null,
    xml: '<domain/>',
    description: '',
    memoryMiB: 96,
    vcpus: 1,
    rbdList: [VOLUME],
    meta: {
      nodeLimit: [],
      selector: 'none',
      autostart: false,
      migrationMethod: 'none',
      migrationMaxDowntimeMs: 300,
      profile: '',
      startPriority: 50,
      antiAffinityGroup: '',
    },
    tags: [],
    ...change,
  }
}

/** A status nobody holds. */
export function status(change: Partial<VmStatus> = {}): VmStatus {
  return { ...emptyVmStatus(4, 1000), done: { start: 1, restart: 0, stopNow: 0 }, observedGeneration: 3, ...change }
}

export const MINE = { run: { node: SELF, life: LIFE, holder: null } } as const

export const RUNNING: LocalDomain = {
  isActive: true,
  isPaused: false,
  isStarting: false,
  isSwitched: false,
  isArrived: false,
  reason: 'booted',
  mark: { life: LIFE, seq: 4 },
  migrationId: undefined,
}

export const NO_MOVE: MoveObservation = {
  target: undefined,
  arrival: undefined,
  incoming: undefined,
  copyCall: undefined,
  job: undefined,
  cpu: undefined,
  cpuProblem: undefined,
  isResumedSinceSwitch: false,
  isMigratedAway: false,
}

/** A memory that has already seen the given wish. */
export function memory(change: Partial<VmMemory> = {}, wanted: VmSpec = spec()): VmMemory {
  return { ...FIRST_MEMORY, isExitUnclean: false, wishKey: wishKey(wanted), ...change }
}

export function observation(change: Partial<VmObservation> = {}): VmObservation {
  return {
    uuid: UUID,
    self: SELF,
    life: LIFE,
    nowMs: 1_000_000,
    wallMs: 5000,
    spec: spec(),
    status: status(),
    domain: undefined,
    move: NO_MOVE,
    isCreateOutstanding: false,
    qemuPid: undefined,
    permit: undefined,
    higherSeq: undefined,
    isSeqTrusted: true,
    shutdownTimeoutMs: 180_000,
    createTimeoutMs: 30_000,
    memory: memory(),
    ...change,
  }
}
