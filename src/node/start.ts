/**
 * The node part of pvcnoded: builds its parts, brings them up in an order that waits for nobody longer than needed, and
 * takes them down without touching a guest.
 */
import type { Clock } from '../base/clock.ts'
import { withDeadline } from '../base/deadline.ts'
import { Limiter } from '../base/limiter.ts'
import { Reconciler } from '../base/reconciler.ts'
import { MutableSignal, type Signal } from '../base/signal.ts'
import type { Config } from '../model/config.ts'
import { errorChain } from '../model/errors.ts'
import type { NodeName } from '../model/ids.ts'
import type { DaemonState } from '../model/node.ts'
import type { Ceph } from '../ports/ceph.ts'
import type { NodeFiles } from '../ports/files.ts'
import type { Host, Supervisor } from '../ports/host.ts'
import type { Hypervisor } from '../ports/hypervisor.ts'
import type { Log } from '../ports/log.ts'
import type { Store } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import { document } from '../view/collection.ts'
import { createIndex, type Index } from '../view/index.ts'
import { vmsCollection } from '../view/tree-collections.ts'
import { createDomainManager } from './domain/manager.ts'
import { logFaults, showRefused } from './fault-reports.ts'
import { createFaultBoard, type FaultBoard } from './faults.ts'
import { createFlush, type Flush } from './flush/reconcile.ts'
import { createGuestSecret, type GuestSecret } from './guest-secret.ts'
import { Collector } from './keepalive/collector.ts'
import { Heartbeat, type HostIdentity } from './keepalive/heartbeat.ts'
import { createSeqKeeper, type SeqKeeper } from './keepalive/seq-guard.ts'
import { Membership } from './membership/membership.ts'
import { createStartHookCheck } from './start-hook.ts'
import { createVmDirectory, type NodeVmDirectory } from './vm-directory.ts'

/** A configuration whose node name is settled. */
export type NodeConfig = Config & { readonly node: { readonly name: NodeName } }

/** Everything the node part needs from the world. */
export type NodeDeps = {
  readonly config: NodeConfig
  readonly identity: HostIdentity
  readonly store: Store
  readonly hypervisor: Hypervisor
  readonly ceph: Ceph
  readonly files: NodeFiles
  readonly host: Host
  readonly supervisor: Supervisor
  readonly clock: Clock
  readonly log: Log
  /** A fresh random uuid. */
  readonly newUuid: () => string
  /** False for libvirt's test driver, which knows neither secrets nor hooks. */
  readonly isRealHypervisor: boolean
}

/** The running node part. */
export type NodeDaemon = {
  readonly state: Signal<DaemonState>
  readonly faults: FaultBoard
  /** Orderly stop: guests run on, the node is marked as stopped, its proof of life goes with the session. */
  stop(): Promise<void>
}

type Parts = {
  readonly daemon: MutableSignal<DaemonState>
  readonly faults: FaultBoard
  readonly seqs: SeqKeeper
  readonly membership: Membership
  readonly collector: Collector
  readonly heartbeat: Heartbeat
  readonly index: Index
  readonly manager: ReturnType<typeof createDomainManager>
  readonly flush: Flush
  readonly secret: GuestSecret | undefined
  readonly hook: ReturnType<typeof createStartHookCheck> | undefined
}

/** Starts at once on this node; more would fight for its CPUs while they boot. */
const PARALLEL_STARTS = 4
const PROGRESS_RETRY_MS = 500
const PROGRESS_RESCAN_MS = 5000
/** Bounds of the steps of an orderly stop; together below systemd's patience of 20 s. */
const STOP_DOMAINS_MS = 6000
const STOP_WRITE_MS = 4000
const STOP_CLOSE_MS = 2000

/**
 * Starts the node part. It is ready at once and goes on by itself: what is away is waited for, reported, and used when it
 * comes.
 * @throws Error when the table of run sequences on this node's disk is damaged: starting VMs without it would not be safe
 */
export async function startNode(deps: NodeDeps): Promise<NodeDaemon> {
  const { log, clock, supervisor, hypervisor } = deps
  const parts = await build(deps)
  const { daemon, faults, membership, index, manager, flush } = parts
  logFaults(faults, log)
  index.onChange(() => showRefused(index, faults))
  // Seen at once, also where the first look of the domain part is half a minute away.
  membership.state.subscribe(() => manager.triggerAll())
  membership.state.subscribe(() => flush.trigger())

  let said = ''
  const say = (text: string): void => {
    if (text === said) return
    said = text
    log.info({ status: text }, 'progress')
    supervisor.status(text)
  }
  const progress = new Reconciler({
    clock,
    rescanMs: PROGRESS_RESCAN_MS,
    retryMs: PROGRESS_RETRY_MS,
    async pass() {
      const waits = waitsFor(parts, hypervisor)
      if (waits === undefined && daemon.value === 'init') {
        manager.start()
        flush.start()
        daemon.set('run')
      }
      say(waits === undefined ? 'running' : `waiting: ${waits}`)
      return {}
    },
    onError: (error) => log.error({ error: errorChain(error) }, 'starting failed, trying again'),
  })
  const unsubscribes = [
    membership.state.subscribe(() => progress.trigger()),
    index.isReady.subscribe(() => progress.trigger()),
    hypervisor.subscribe((event) => event.kind === 'connection' && progress.trigger()),
    parts.secret?.isTried.subscribe(() => progress.trigger()) ?? (() => undefined),
  ]
  membership.start()
  parts.collector.start()
  parts.heartbeat.start()
  parts.secret?.start()
  parts.hook?.start()
  progress.trigger()
  supervisor.ready()

  let stopping: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    supervisor.stopping()
    for (const unsubscribe of unsubscribes) unsubscribe()
    await progress.stop()
    await takeDown(deps, parts)
  }
  return {
    state: daemon,
    faults,
    stop() {
      stopping ??= stop()
      return stopping
    },
  }
}

async function build(deps: NodeDeps): Promise<Parts> {
  const { config, store, hypervisor, ceph, files, host, clock, log } = deps
  const self = config.node.name
  const faults = createFaultBoard(clock)
  const seqs = createSeqKeeper({ files, faults, log: log.child({ component: 'seqs' }) })
  await seqs.load()
  const isCoordinator = config.cluster.coordinators.includes(self)
  const membership = new Membership({
    registration: {
      self,
      mode: isCoordinator ? 'coordinator' : 'hypervisor',
      clusterName: config.cluster.name,
      shutdownTimeoutMs: config.vm.shutdownTimeoutMs,
    },
    machineId: await host.machineId(),
    store,
    files,
    clock,
    log: log.child({ component: 'membership' }),
    faults,
    newUuid: deps.newUuid,
    onFirstSession: (published) => seqs.adopt(published.seqs),
  })
  const spec = tree.node(self).spec
  const index = createIndex({ store, clock, log, collections: [document(spec), vmsCollection()] })
  const directory = createVmDirectory(index)
  const daemon = new MutableSignal<DaemonState>('init')
  const { intervalMs } = config.heartbeat
  const onNews = () => heartbeat.trigger()
  const collector = new Collector({ hypervisor, files, ceph, clock, faults, intervalMs, onNews })
  const heartbeat: Heartbeat = new Heartbeat({
    self,
    identity: deps.identity,
    coordinator: isCoordinator ? 'secondary' : 'client',
    storageAddresses: config.node.storageAddresses,
    clusterAddress: config.node.clusterAddress,
    intervalMs,
    membership,
    collector,
    faults,
    seqs,
    daemon,
    domainState: () => flush.domainState(),
    promised: (running) => directory.promised(self, running),
    clock,
    log: log.child({ component: 'heartbeat' }),
  })
  const manager = buildManager(deps, { membership, faults, seqs, directory })
  const flush: Flush = createFlush({
    self,
    session: () => membership.certificate()?.session,
    index,
    hypervisor,
    parallel: config.flush.parallel,
    previousState: () => membership.previousStatus?.domainState,
    onState: () => heartbeat.trigger(),
    clock,
    log,
  })
  const guards = buildGuards(deps, faults)
  return { daemon, faults, seqs, membership, collector, heartbeat, index, manager, flush, ...guards }
}

type ManagerParts = Pick<Parts, 'membership' | 'faults' | 'seqs'> & { readonly directory: NodeVmDirectory }

function buildManager(deps: NodeDeps, { membership, faults, seqs, directory }: ManagerParts): Parts['manager'] {
  const { config, hypervisor, ceph, files, clock, log } = deps
  return createDomainManager(
    {
      self: config.node.name,
      certificate: () => membership.certificate(),
      hypervisor,
      ceph,
      files,
      clock,
      log,
      faults,
      seqs,
      starts: new Limiter(PARALLEL_STARTS),
      storageAddresses: config.node.storageAddresses,
      shutdownTimeoutMs: config.vm.shutdownTimeoutMs,
      createTimeoutMs: config.vm.createTimeoutMs,
    },
    directory,
  )
}

function buildGuards(deps: NodeDeps, faults: FaultBoard): Pick<Parts, 'secret' | 'hook'> {
  const { config, hypervisor, host, clock, log, isRealHypervisor } = deps
  if (!isRealHypervisor) return { secret: undefined, hook: undefined }
  const secret = createGuestSecret({
    hypervisor,
    clock,
    log: log.child({ component: 'secret' }),
    faults,
    secretUuid: config.ceph.secretUuid,
    user: config.ceph.secretUser,
    readKey: () => host.guestKey(),
  })
  return { secret, hook: createStartHookCheck({ clock, faults, problem: () => host.startHookProblem() }) }
}

/** What the start still waits for, as words for a person; undefined: nothing. Ceph is not among it: guests are adopted without. */
function waitsFor({ daemon, membership, index, secret }: Parts, hypervisor: Hypervisor): string | undefined {
  const state = membership.state.value
  if (state.kind !== 'certified') return state.reason
  if (daemon.value !== 'init') return undefined
  if (!index.isReady.value) return 'the VMs are being read from ZooKeeper'
  if (!hypervisor.isConnected) return 'libvirt does not answer'
  return secret?.isTried.value === false ? 'libvirt is given the Ceph key of guests' : undefined
}

async function takeDown(deps: NodeDeps, parts: Parts): Promise<void> {
  const { clock, log, store, hypervisor } = deps
  const { daemon, heartbeat } = parts
  const bounded = async (what: string, deadlineMs: number, work: Promise<unknown>): Promise<void> => {
    try {
      await withDeadline(clock, deadlineMs, what, work)
    } catch (error) {
      log.warn({ error: errorChain(error) }, `${what} did not end in order`)
    }
  }
  log.info({}, 'stopping; guests run on')
  daemon.set('shutdown')
  const loops = [parts.flush.stop(), parts.manager.stop(), parts.secret?.stop(), parts.hook?.stop()]
  await bounded('the domain part', STOP_DOMAINS_MS, Promise.all(loops))
  parts.collector.stop()
  daemon.set('stop')
  // Said before the proof of life goes, so that its absence is not taken for a death.
  await bounded('the last heartbeat', STOP_WRITE_MS, heartbeat.finish())
  await bounded('the table of run sequences', STOP_CLOSE_MS, parts.seqs.flushed())
  await bounded('membership', STOP_CLOSE_MS, parts.membership.stop())
  parts.index.close()
  await bounded('ZooKeeper', STOP_CLOSE_MS, store.close())
  await bounded('libvirt', STOP_CLOSE_MS, hypervisor.close())
  log.info({}, 'stopped')
}
