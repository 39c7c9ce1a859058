/** A whole API over fakes: an ensemble with three nodes, Ceph, tokens of each role, and hands that act as the nodes. */
import type { FastifyInstance } from 'fastify'
import { FakeCeph } from '../../src/adapters/fake/ceph.ts'
import { ManualClock, settle } from '../../src/adapters/fake/clock.ts'
import { FakeLog } from '../../src/adapters/fake/log.ts'
import { fakeRuleChecker } from '../../src/adapters/fake/rule-checker.ts'
import { FakeEnsemble, type FakeStore } from '../../src/adapters/fake/store.ts'
import { buildApp } from '../../src/api/app.ts'
import { createToken } from '../../src/api/auth.ts'
import type { ApiDeps } from '../../src/api/handler.ts'
import { API_PREFIX } from '../../src/contract/paths.ts'
import type { Role } from '../../src/model/cluster.ts'
import { PrimaryStatus } from '../../src/model/coordinator.ts'
import type { VmSpec, VmStatus } from '../../src/model/domain.ts'
import { isVmSpec } from '../../src/model/domain.ts'
import { PvcError } from '../../src/model/errors.ts'
import { CLOSED_JOURNAL } from '../../src/model/fence.ts'
import { BootId, LifeId, NodeName, PoolName, VmUuid } from '../../src/model/ids.ts'
import type { NodeStats, NodeStatus, Resources } from '../../src/model/node.ts'
import { AuditLog } from '../../src/operations/audit.ts'
import { initialiseCluster } from '../../src/operations/cluster.ts'
import { apiCollections } from '../../src/operations/collections.ts'
import { PoolStatsCache } from '../../src/operations/pool-stats.ts'
import { PrimaryAbsence } from '../../src/operations/primary-absence.ts'
import { StreamFollowers } from '../../src/operations/stream-followers.ts'
import type { ConsoleDoor } from '../../src/ports/console-door.ts'
import type { StoreSession } from '../../src/ports/store.ts'
import type { Key } from '../../src/schema/key.ts'
import { tree } from '../../src/schema/tree.ts'
import { createIndex, type Index } from '../../src/view/index.ts'
import { CONFIGURED } from './configured.ts'

export type Reply = { readonly status: number; readonly body: unknown; readonly headers: Record<string, unknown> }

export type TestCluster = {
  readonly app: FastifyInstance
  readonly deps: ApiDeps
  readonly clock: ManualClock
  readonly ensemble: FakeEnsemble
  readonly store: FakeStore
  readonly index: Index
  readonly ceph: FakeCeph
  readonly log: FakeLog
  readonly tokens: Readonly<Record<Role, string>>
  /** A session beside that of the API, as a node would have. */
  readonly session: StoreSession
  /** Sends a request as an admin; arguments go into the query string, `form` into the body. */
  call(method: string, path: string, args?: Args, options?: CallOptions): Promise<Reply>
  /** Changes a document as its owner would, and waits until the API has seen it. */
  change<T>(key: Key<T>, edit: (value: T) => T): Promise<void>
  /** Makes a node primary, with a word of its own about how it is. */
  reign(node: NodeName, over?: Partial<PrimaryStatus>): Promise<void>
  /** Writes the status of a VM as its node would. */
  report(vm: string, edit: (status: VmStatus, spec: VmSpec) => Partial<VmStatus>): Promise<void>
  spec(vm: string): VmSpec
  close(): Promise<void>
}

export type Args = Readonly<Record<string, string | readonly string[]>>
export type CallOptions = {
  readonly form?: Args
  /** null: no token. Default: the admin's. */
  readonly token?: string | null
  readonly headers?: Record<string, string>
}

export const NODES = ['hv1', 'hv2', 'hv3'].map((name) => NodeName.parse(name))
export const LIFE = LifeId.parse('life-1')

/** What a node that works says of its room. */
export const RESOURCES: Resources = {
  cpuCount: 32,
  load1: 3.42,
  memoryTotalMiB: 515_743,
  memoryUsedMiB: 203_344,
  memoryFreeMiB: 312_399,
  memoryAllocatedMiB: 14_336,
  memoryProvisionedMiB: 14_336,
  vcpusAllocated: 14,
}

/** Status of a node that works, as its daemon writes it. */
export function nodeStatus(name: NodeName, over: Partial<NodeStatus> = {}): NodeStatus {
  return {
    name,
    heartbeat: 1,
    life: LIFE,
    bootId: BootId.parse('boot-1'),
    selfFence: 'off',
    watchdog: 'absent',
    storageAddrs: ['10.0.2.1'],
    clusterAddr: '10.0.1.1',
    ack: 0,
    daemon: 'run',
    certified: true,
    domainState: 'ready',
    coordinator: 'secondary',
    versions: { pvc: '2.0.0', libvirt: '9.0.0', qemu: '7.2.9', kernel: '6.1.0-18-amd64' },
    os: 'GNU/Linux',
    arch: 'x86_64',
    resources: RESOURCES,
    runningDomains: [],
    domainsCount: 0,
    incoming: [],
    faults: [],
    ...over,
  }
}

export const NO_NODE_STATS: NodeStats = { heartbeat: 1, guests: [], interfaces: {} }

/** libvirt XML of a VM with one RBD disk and one bridged interface. */
export function vmXml(
  name: string,
  over: { uuid?: string; memory?: string; vcpu?: number; disks?: readonly string[] } = {},
) {
  const disks = (over.disks ?? [`vms/${name}_sda`]).map(
    (disk, index) => `
    <disk type='network' device='disk'>
      <driver name='qemu' discard='unmap'/>
      <source protocol='rbd' name='${disk}'><host name='mon1' port='6789'/></source>
      <target dev='sd${String.fromCharCode(97 + index)}' bus='scsi'/>
    </disk>`,
  )
  const uuid = over.uuid === undefined ? '' : `\n  <uuid>${over.uuid}</uuid>`
  return `<domain type='kvm'>
  <name>${name}</name>${uuid}
  <description>Test VM ${name}</description>
  <memory unit='MiB'>${over.memory ?? '2048'}</memory>
  <vcpu>${over.vcpu ?? 2}</vcpu>
  <cpu><topology sockets='1' cores='2' threads='1'/></cpu>
  <os><type arch='x86_64' machine='pc-i440fx-2.7'>hvm</type><bootmenu enable='yes'/></os>
  <features><acpi/><apic/><pae/></features>
  <devices>
    <console type='pty'/>${disks.join('')}
    <interface type='bridge'>
      <mac address='52:54:01:00:00:00'/>
      <source bridge='vmbr100'/>
      <model type='virtio'/>
    </interface>
    <emulator>/usr/bin/kvm</emulator>
    <controller type='usb' index='0'/>
    <controller type='scsi' index='0' model='virtio-scsi'/>
  </devices>
</domain>
`
}

async function registerNodes(session: StoreSession): Promise<void> {
  for (const name of NODES) {
    const keys = tree.node(name)
    await session.create(keys.spec, { name, generation: 1, mode: 'coordinator', wanted: 'ready', wish: 0 })
    await session.create(keys.fence, CLOSED_JOURNAL)
    await session.create(keys.status, nodeStatus(name))
    await session.create(keys.stats, NO_NODE_STATS)
    await session.create(keys.alive, { life: LIFE }, 'ephemeral')
  }
}

async function makeTokens(session: StoreSession): Promise<Record<Role, string>> {
  const tokens: Record<string, string> = {}
  for (const role of ['admin', 'operator', 'read-only'] as const) {
    const { token, stored } = createToken(role, `the ${role}`, 0)
    await session.create(tree.tokens.child(stored.id), stored)
    tokens[role] = token
  }
  return tokens as Record<Role, string>
}

export type ClusterOptions = { readonly auth?: boolean; readonly openConsole?: ConsoleDoor }

const noConsoles: ConsoleDoor = async ({ node }) => {
  throw new PvcError('PVC_HOST_FAILED', `Node ${node} cannot be asked for the console: this cluster has no machines`)
}

/** Builds the cluster, with the pool `vms`, and waits until the API has seen all of it. */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const clock = new ManualClock()
  const ensemble = new FakeEnsemble({ clock })
  const store = ensemble.connect()
  const nodes = ensemble.connect()
  const session = await nodes.connected(1000)
  await initialiseCluster(session, { name: 'pvc1', shutdownTimeoutMs: 180_000 })
  await registerNodes(session)
  const tokens = await makeTokens(session)
  const log = new FakeLog()
  const ceph = new FakeCeph({ clock })
  ceph.addVolume('vms/seed')
  const { main, more } = apiCollections()
  const others = more.map((collections) => ({ store: ensemble.connect(), collections }))
  const index = createIndex({ store, clock, log, collections: main, more: others })
  await index.ready(1000)
  const poolStats = new PoolStatsCache({ ceph, clock, log })
  const operations = { store, index, ceph, poolStats, rules: fakeRuleChecker, clock, log, ...CONFIGURED }
  const deps: ApiDeps = {
    ...operations,
    audit: new AuditLog(operations),
    followers: new StreamFollowers(operations),
    primaryAbsence: new PrimaryAbsence(operations),
    openConsole: options.openConsole ?? noConsoles,
    version: '2.0.0-test',
    auth: { isEnabled: options.auth ?? true },
    upstreamIp: '10.0.0.250',
  }
  const app = buildApp(deps)
  const cluster: TestCluster = {
    app,
    deps,
    clock,
    ensemble,
    store,
    index,
    ceph,
    log,
    tokens,
    session,
    call: (method, path, args, callOptions) => send(app, tokens.admin, method, path, args ?? {}, callOptions ?? {}),
    async change(key, edit) {
      const present = await session.get(key)
      if (present === undefined) throw new Error(`${key.path} does not exist`)
      const written = await session.set(key, edit(present.value), present.version)
      if (!(await index.reached(key.path, written.mzxid, 1000))) throw new Error(`${key.path} was not seen`)
    },
    async reign(node, over = {}) {
      const epoch = over.epoch ?? 1
      await session.create(tree.primary.lease, { node, bootId: BootId.parse('boot-1'), epoch }, 'ephemeral')
      const status = PrimaryStatus.parse({ epoch, node, maintenanceSeen: 0, roles: [], faults: [], ...over })
      await session.create(tree.primary.status, status)
      await index.reached(tree.primary.status.path, 0n, 1000)
      await index.reached(tree.primary.lease.path, 0n, 1000)
    },
    report: (vm, edit) => {
      const spec = cluster.spec(vm)
      return cluster.change(tree.vm(spec.uuid).status, (status) => ({ ...status, ...edit(status, spec) }))
    },
    spec: (vm) => findSpec(index, vm),
    async close() {
      await app.close()
      await deps.followers.stop()
      index.close()
      await Promise.all([store, nodes, ...others.map((other) => other.store)].map((each) => each.close()))
    },
  }
  await session.create(tree.pool(PoolName.parse('vms')), {
    name: PoolName.parse('vms'),
    pgs: 256,
    tier: 'default',
    copies: 3,
    minCopies: 2,
  })
  await session.ensure([tree.volumes(PoolName.parse('vms')).path])
  await settle()
  return cluster
}

function findSpec(index: Index, vm: string): VmSpec {
  for (const uuid of index.children(tree.vms.path)) {
    const document = index.get(tree.vm(VmUuid.parse(uuid)).spec)?.value
    if (isVmSpec(document) && document.name === vm) return document
  }
  throw new Error(`no VM ${vm}`)
}

async function send(
  app: FastifyInstance,
  adminToken: string,
  method: string,
  path: string,
  args: Args,
  { form, token = adminToken, headers = {} }: CallOptions,
): Promise<Reply> {
  const query = encode(args)
  const response = await app.inject({
    method: method as 'GET',
    url: `${API_PREFIX}${path}${query === '' ? '' : `?${query}`}`,
    headers: {
      ...(token === null ? {} : { 'x-api-key': token }),
      ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      ...headers,
    },
    ...(form === undefined ? {} : { payload: encode(form) }),
  })
  return { status: response.statusCode, body: JSON.parse(response.body), headers: response.headers }
}

function encode(args: Args): string {
  const pairs = Object.entries(args).flatMap(([name, value]) =>
    (typeof value === 'string' ? [value] : value).map((each): [string, string] => [name, each]),
  )
  return new URLSearchParams(pairs).toString()
}

/** Defines a VM with the node `hv1`, and fails the test when that fails. */
export async function define(cluster: TestCluster, name: string, args: Args = {}, uuid?: string): Promise<VmSpec> {
  const xml = vmXml(name, uuid === undefined ? {} : { uuid })
  const reply = await cluster.call('POST', '/vm', { node: 'hv1', ...args }, { form: { xml } })
  if (reply.status !== 200) throw new Error(`define ${name}: ${JSON.stringify(reply)}`)
  return cluster.spec(name)
}
