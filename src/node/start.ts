/**
 * The node part of pvcnoded: builds its parts, brings them up in an order that waits for nobody longer than needed, and
 * takes them down without touching a guest.
 */
import { withDeadline } from '../base/deadline.ts'
import { Limiter } from '../base/limiter.ts'
import { Reconciler } from '../base/reconciler.ts'
import { MutableSignal } from '../base/signal.ts'
import { errorChain } from '../model/errors.ts'
import type { DaemonState } from '../model/node.ts'
import type { Hypervisor } from '../ports/hypervisor.ts'
import { createIndex, type Index } from '../view/index.ts'
import { createAbleSignal } from './able.ts'
import { nodeViewCollections } from './collections.ts'
import type { NodeDaemon, NodeDeps } from './deps.ts'
import { createDomainManager } from './domain/manager.ts'
import { logFaults, showRefused } from './fault-reports.ts'
import { createFaultBoard, type FaultBoard } from './faults.ts'
import { createFlush, type Flush } from './flush/reconcile.ts'
import { createHostChecks, type HostChecks } from './host-checks.ts'
import { Collector } from './keepalive/collector.ts'
import { createForeignSeqs } from './keepalive/foreign-seqs.ts'
import { Heartbeat } from './keepalive/heartbeat.ts'
import { createSeqKeeper, type SeqKeeper } from './keepalive/seq-guard.ts'
import { createMembership } from './membership/create.ts'
import type { Membership } from './membership/membership.ts'
import { createNeighbours, type Neighbours, type NeighboursOptions } from './neighbours.ts'
import { createNetworkPart, type NetworkPart } from './network/part.ts'
import { buildQuarantine } from './quarantine/create.ts'
import type { OwnBlocklistWatch } from './quarantine/own-blocklist.ts'
import type { Quarantine } from './quarantine/quarantine.ts'
import { createSelfFence } from './self-fence/create.ts'
import type { SelfFence } from './self-fence/self-fence.ts'
import { createVmDirectory, type NodeVmDirectory } from './vm-directory.ts'

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
  readonly quarantine: Quarantine
  readonly selfFence: SelfFence
  readonly hostChecks: HostChecks
  readonly neighbours: Neighbours
  readonly networks: NetworkPart
}

const PROGRESS_RETRY_MS = 500
const PROGRESS_RESCAN_MS = 5000
/** Bounds of the steps of an orderly stop; together below systemd's patience of 30 s, less what the coordinator part may take. */
const STOP_DOMAINS_MS = 12_000
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
  const { daemon, faults, membership, index, manager, flush, quarantine } = parts
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
  let isStarted = false
  const progress = new Reconciler({
    clock,
    rescanMs: PROGRESS_RESCAN_MS,
    retryMs: PROGRESS_RETRY_MS,
    async pass() {
      const waits = waitsFor(parts, hypervisor)
      if (waits === undefined && !isStarted) {
        isStarted = true
        manager.start()
        flush.start()
      }
      daemon.set(quarantine.isActive.value ? 'fenced' : isStarted ? 'run' : 'init')
      say(waits === undefined ? 'running' : `waiting: ${waits}`)
      return {}
    },
    onError: (error) => log.error({ error: errorChain(error) }, 'starting failed, trying again'),
  })
  const unsubscribes = [
    membership.state.subscribe(() => progress.trigger()),
    quarantine.isActive.subscribe(() => progress.trigger()),
    index.isReady.subscribe(() => progress.trigger()),
    parts.collector.isMeasured.subscribe(() => progress.trigger()),
    hypervisor.subscribe((event) => event.kind === 'connection' && progress.trigger()),
    parts.hostChecks.isSecretTried.subscribe(() => progress.trigger()),
  ]
  membership.start()
  parts.collector.start()
  parts.selfFence.start()
  parts.heartbeat.start()
  quarantine.start()
  parts.hostChecks.start()
  parts.neighbours.start()
  parts.networks.start()
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
    peers: parts.neighbours.peers,
    index,
    session: () => membership.certificate()?.session,
    isAble: createAbleSignal(daemon, membership),
    stop() {
      stopping ??= stop()
      return stopping
    },
  }
}

async function build(deps: NodeDeps): Promise<Parts> {
  const { config, store, hypervisor, ceph, files, clock, log } = deps
  const self = config.node.name
  const faults = createFaultBoard(clock)
  const seqs = createSeqKeeper({ files, faults, log: log.child({ component: 'seqs' }) })
  await seqs.load()
  const membership = await createMembership(deps, faults, seqs)
  const { quarantine, blocklist } = buildQuarantine(deps, membership, faults)
  const index = createIndex({ store, clock, log, collections: nodeViewCollections(self) })
  const directory = createVmDirectory(index)
  const daemon = new MutableSignal<DaemonState>('init')
  const { intervalMs } = config.heartbeat
  const onNews = () => heartbeat.trigger()
  const collector = new Collector({ hypervisor, files, ceph, clock, faults, intervalMs, onNews })
  const heartbeat: Heartbeat = new Heartbeat({
    self,
    identity: deps.identity,
    coordinator: deps.coordinator,
    storageAddresses: config.node.storageAddresses,
    clusterAddress: config.node.clusterAddress,
    intervalMs,
    membership,
    collector,
    faults,
    seqs,
    daemon,
    domainState: () => flush.domainState(),
    ack: quarantine.acknowledged,
    selfFence: { status: () => selfFence.status(), isLatched: () => selfFence.isLatched() },
    promised: (running) => directory.promised(self, running),
    clock,
    log: log.child({ component: 'heartbeat' }),
  })
  const selfFence: SelfFence = createSelfFence(deps, {
    membership,
    index,
    faults,
    published: () => heartbeat.publishedSelfFence,
    quorum: () => neighbours.peers.quorum(),
    onNews() {
      heartbeat.trigger()
      manager.triggerAll()
      flush.trigger()
    },
  })
  // Nothing starts while the guard forbids it, whatever the session allows.
  const certificate = () => (selfFence.isLatched() ? undefined : membership.certificate())
  const wake: NeighboursOptions['wake'] = (vm, arrival) => manager.wake(vm, arrival)
  const neighbours = createNeighbours({ deps, faults, index, membership, wake })
  const manager = buildManager(deps, { certificate, faults, seqs, directory, blocklist, neighbours })
  const flush: Flush = createFlush({
    self,
    session: () => certificate()?.session,
    index,
    hypervisor,
    parallel: config.flush.parallel,
    previousState: () => membership.previousStatus?.domainState,
    onState: () => heartbeat.trigger(),
    clock,
    log,
  })
  const hostChecks = createHostChecks(deps, faults)
  const networks = createNetworkPart(deps, faults, index, () => membership.certificate()?.session)
  const loops = { collector, heartbeat, manager, flush, selfFence, quarantine, hostChecks, neighbours, networks }
  return { daemon, faults, seqs, membership, index, ...loops }
}

type ManagerParts = Pick<Parts, 'faults' | 'seqs'> & {
  readonly certificate: Membership['certificate']
  readonly directory: NodeVmDirectory
  readonly blocklist: OwnBlocklistWatch
  readonly neighbours: Neighbours
}

function buildManager(
  deps: NodeDeps,
  { certificate, faults, seqs, directory, blocklist, neighbours }: ManagerParts,
): Parts['manager'] {
  const { config, hypervisor, ceph, files, clock, log } = deps
  return createDomainManager(
    {
      self: config.node.name,
      certificate,
      hypervisor,
      ceph,
      files,
      clock,
      log,
      faults,
      seqs,
      foreignSeqs: createForeignSeqs(config.node.name, clock, log),
      blocklist,
      peers: neighbours.peers,
      starts: new Limiter(config.recovery.parallel),
      storageAddresses: config.node.storageAddresses,
      shutdownTimeoutMs: config.vm.shutdownTimeoutMs,
      createTimeoutMs: config.vm.createTimeoutMs,
    },
    directory,
  )
}

/** What the start still waits for, as words for a person; undefined: nothing. Ceph is not among it: guests are adopted without. */
function waitsFor(parts: Parts, hypervisor: Hypervisor): string | undefined {
  const { daemon, membership, index, hostChecks, collector } = parts
  const state = membership.state.value
  if (state.kind !== 'certified') return state.reason
  if (daemon.value !== 'init') return undefined
  if (!index.isReady.value) return 'the VMs are being read from ZooKeeper'
  if (!hypervisor.isConnected) return 'libvirt does not answer'
  // Without them this node would be out of the question for every VM. The daemon before this one has told them.
  const before = membership.previousStatus
  const isTold = before?.bootId === state.presence.bootId && before.resources !== undefined
  if (!isTold && !collector.isMeasured.value) return 'its processors and memory are being counted'
  return !hostChecks.isSecretTried.value ? 'libvirt is given the Ceph key of guests' : undefined
}

async function takeDown(deps: NodeDeps, parts: Parts): Promise<void> {
  const { clock, log, store, hypervisor } = deps
  const { daemon, heartbeat, selfFence } = parts
  const bounded = async (what: string, deadlineMs: number, work: Promise<unknown>): Promise<void> => {
    try {
      await withDeadline(clock, deadlineMs, what, work)
    } catch (error) {
      log.warn({ error: errorChain(error) }, `${what} did not end in order`)
    }
  }
  log.info({}, 'stopping; guests run on')
  daemon.set('shutdown')
  const loops = [
    parts.quarantine.stop(),
    parts.flush.stop(),
    parts.manager.stop(),
    parts.hostChecks.stop(),
    parts.neighbours.stop(),
    parts.networks.stop(),
  ]
  await bounded('the domain part', STOP_DOMAINS_MS, Promise.all(loops))
  parts.collector.stop()
  selfFence.beginStop()
  daemon.set('stop')
  // Said before the proof of life goes, so that its absence is not taken for a death.
  await bounded('the last heartbeat', STOP_WRITE_MS, heartbeat.finish())
  await bounded('the self-fence', STOP_CLOSE_MS, selfFence.stop())
  await bounded('the table of run sequences', STOP_CLOSE_MS, parts.seqs.flushed())
  await bounded('membership', STOP_CLOSE_MS, parts.membership.stop())
  parts.index.close()
  await bounded('ZooKeeper', STOP_CLOSE_MS, store.close())
  await bounded('libvirt', STOP_CLOSE_MS, hypervisor.close())
  log.info({}, 'stopped')
}
