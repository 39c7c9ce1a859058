/** Nodes and VMs as placement sees them, with fields of one's own. */
import type { NodeFacts } from '../../../src/model/compat-node.ts'
import { emptyVmStatus, type VmSpec, VmSpec as VmSpecSchema, type VmStatus } from '../../../src/model/domain.ts'
import { LifeId, NodeName, VmUuid } from '../../../src/model/ids.ts'
import { NodeStatus } from '../../../src/model/node.ts'
import type { PlacedVm, PlacementNode, PlacementRequest, VmFacts } from '../../../src/model/placement.ts'

export const RESOURCES = {
  cpuCount: 8,
  load1: 1,
  memoryTotalMiB: 10_000,
  memoryUsedMiB: 4000,
  memoryFreeMiB: 6000,
  memoryAllocatedMiB: 3000,
  memoryProvisionedMiB: 3000,
  vcpusAllocated: 4,
}

export type NodeChange = Partial<Omit<PlacementNode, 'resources'>> & {
  readonly resources?: Partial<typeof RESOURCES> | undefined
}

export function node(name: string, change: NodeChange = {}): PlacementNode {
  const { resources, ...rest } = change
  return {
    name: NodeName.parse(name),
    daemon: 'run',
    isCertified: true,
    domainState: 'ready',
    arch: 'x86_64',
    cpuModel: 'A',
    vms: [],
    resources: 'resources' in change && resources === undefined ? undefined : { ...RESOURCES, ...resources },
    ...rest,
  }
}

export function request(change: Partial<PlacementRequest> = {}): PlacementRequest {
  const cpu = { arch: 'x86_64' }
  const base = { memoryMiB: 1000, vcpus: 2, nodeLimit: [], selector: 'mem', antiAffinityGroup: '', cpu } as const
  return { ...base, mustFitNow: true, ...change }
}

/** A UUID that is the same for the same name. */
export function uuidOf(name: string): VmUuid {
  const digits = [...name].map((char) => char.charCodeAt(0).toString(16)).join('')
  return VmUuid.parse(`aaaaaaaa-0000-4000-8000-${digits.slice(-12).padStart(12, '0')}`)
}

/** A VM on a node that knows of it. */
export function placed(name: string, change: Partial<PlacedVm> = {}): PlacedVm {
  const base = { uuid: uuidOf(name), name, memoryMiB: 100, vcpus: 1, antiAffinityGroup: '' }
  return { ...base, isOn: true, isReported: true, ...change }
}

export type VmPlace = {
  readonly node: string
  readonly power: VmSpec['power']
  /** Node that holds the record. */
  readonly run?: string
  /** Node a copy is on its way to. */
  readonly copyTo?: string
  readonly lastNode?: string | null
  readonly spec?: Partial<VmSpec>
  readonly meta?: Partial<VmSpec['meta']>
  readonly status?: Partial<VmStatus>
}

const LIFE = LifeId.parse('l')

export function vmFacts(name: string, place: VmPlace): VmFacts {
  const spec = VmSpecSchema.parse({
    uuid: uuidOf(name),
    name,
    generation: 4,
    power: place.power,
    wishes: { start: 0, restart: 0, stopNow: 0 },
    node: place.node,
    lastNode: place.lastNode ?? null,
    move: null,
    hold: null,
    xml: '<domain/>',
    description: '',
    memoryMiB: 1000,
    vcpus: 2,
    rbdList: [],
    meta: {
      nodeLimit: [],
      selector: 'none',
      autostart: false,
      migrationMethod: 'none',
      migrationMaxDowntimeMs: 300,
      profile: '',
      ...place.meta,
    },
    tags: [],
    ...place.spec,
  })
  const run = place.run === undefined ? null : { node: NodeName.parse(place.run), life: LIFE, holder: null }
  const migration =
    place.copyTo === undefined || run === null
      ? null
      : {
          id: spec.move?.id ?? 'order',
          from: { node: run.node, life: LIFE },
          to: { node: NodeName.parse(place.copyTo), life: LIFE },
          step: 'copy' as const,
          startedAt: 0,
          progress: null,
        }
  const phase = run === null ? 'off' : migration === null ? 'running' : 'migrating'
  return { spec, status: { ...emptyVmStatus(1, 0), run, migration, phase, ...place.status } }
}

export function nodeFacts(name: string, change: { isAlive?: boolean; isSilent?: boolean } = {}): NodeFacts {
  const status = NodeStatus.parse({
    name,
    heartbeat: 1,
    life: 'l',
    bootId: 'b',
    selfFence: 'off',
    watchdog: 'absent',
    storageAddrs: [],
    ack: 0,
    daemon: 'run',
    certified: true,
    domainState: 'ready',
    coordinator: 'secondary',
    versions: { pvc: '', libvirt: '', qemu: '', kernel: '' },
    os: '',
    arch: 'x86_64',
    resources: RESOURCES,
    runningDomains: [],
    domainsCount: 0,
    incoming: [],
    faults: [],
  })
  return {
    spec: { name: status.name, generation: 1, mode: 'coordinator', wanted: 'ready', wish: 0 },
    status: change.isSilent === true ? undefined : status,
    stats: undefined,
    isAlive: change.isAlive ?? true,
  }
}
