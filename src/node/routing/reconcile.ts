/** Keeps FRR of this node as the cluster's networks need it. */
import type { Clock } from '../../base/clock.ts'
import { Reconciler } from '../../base/reconciler.ts'
import { errorChain } from '../../model/errors.ts'
import type { NodeName } from '../../model/ids.ts'
import type { FaultBoard } from '../../ports/faults.ts'
import type { Log } from '../../ports/log.ts'
import type { Routing, RoutingState } from '../../ports/routing.ts'
import { tree } from '../../schema/tree.ts'
import type { Index } from '../../view/index.ts'
import { readNetworks } from '../../view/networks.ts'
import { isReplaceable, type RoutingGround, routingConfiguration, upstreamOf } from './plan.ts'

export type RoutingKeeperDeps = {
  /** What does not change while pvcnoded runs. */
  readonly ground: Omit<RoutingGround, 'coordinators' | 'networks' | 'range' | 'isPrimary'>
  readonly coordinators: readonly NodeName[]
  /** The network of the underlay device; undefined while it has no address. */
  readonly range: () => string | undefined
  readonly index: Pick<Index, 'isReady' | 'get' | 'children' | 'onChange'>
  readonly routing: Routing
  readonly faults: FaultBoard
  readonly clock: Clock
  readonly log: Log
}

export type RoutingKeeper = { start(): void; stop(): Promise<void> }

const RESCAN_MS = 10_000
const RETRY_MS = 2000
/**
 * A node that was primary goes on announcing networks whose gateway is on every node until routers outside have heard of its
 * successor: it routes to their guests as well.
 */
const OUTLIVES_REIGN_MS = 10_000
/** Nodes are let in without being named only when all coordinators are known, so that none of these comes unnamed; or after this. */
const OPEN_AFTER_MS = 30_000
/** So many looks in a row must fail, or heartbeats of a peer without a session pass, before it is a fault. */
const PATIENCE = 2
/** A router outside that is restarted is no fault. */
const UPSTREAM_PATIENCE_MS = 30_000

/** The reconciler of this node's FRR; it does nothing until the index knows nodes and networks. */
export function createRoutingKeeper(deps: RoutingKeeperDeps): RoutingKeeper {
  const { index, faults, clock, log } = deps
  const memory: Memory = {
    startedAtMs: clock.nowMs(),
    reignedAtMs: undefined,
    ...{ followed: undefined, absences: new Map(), upstreamSeenMs: new Map() },
  }
  let failures = 0
  const loop = new Reconciler({
    clock,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    async pass() {
      if (!index.isReady.value) return {}
      const isSettled = await pass(deps, memory)
      failures = 0
      faults.clear('FRR_UNREACHABLE')
      return isSettled ? {} : { wakeInMs: RETRY_MS }
    },
    onError(error) {
      memory.followed = undefined
      failures += 1
      log.warn({ error: errorChain(error) }, 'FRR could not be set up, trying again')
      // A daemon of FRR that died is back within a second or two.
      if (failures < PATIENCE) return
      faults.set('FRR_UNREACHABLE', 'error', `FRR of this node cannot be set up: ${errorChain(error)}.`)
    },
  })
  let unsubscribe = (): void => undefined
  return {
    start() {
      // Nodes write at every heartbeat; what FRR is told follows from little of it.
      unsubscribe = index.onChange(() => {
        if (memory.followed === undefined || memory.followed !== wish(deps, memory)?.text) loop.trigger()
      })
      loop.trigger()
    },
    async stop() {
      unsubscribe()
      await loop.stop()
    },
  }
}

type Memory = {
  readonly startedAtMs: number
  /** When this node was last seen to be primary. */
  reignedAtMs: number | undefined
  /** The configuration FRR was told to follow last. */
  followed: string | undefined
  /** Coordinators without a session, with their heartbeat at the first look that found none. */
  readonly absences: Map<string, number>
  /** When each router outside was last seen with a session, or looked for first. */
  readonly upstreamSeenMs: Map<string, number>
}

/** @returns whether all is as it should be, so that the next look may be a slow one */
async function pass(deps: RoutingKeeperDeps, memory: Memory): Promise<boolean> {
  const { routing, faults, log } = deps
  const wanted = wish(deps, memory)
  if (wanted === undefined) return false
  const { ground, text } = wanted
  const { coordinators } = ground
  const stored = await routing.stored()
  if (!isReplaceable(stored)) {
    const message = '/etc/frr/frr.conf was not written by pvcnoded, so FRR is left alone; move the file away.'
    faults.set('FRR_CONFIG', 'error', message)
    return true
  }
  faults.clear('FRR_CONFIG')
  if (stored !== text) await routing.store(text)
  const state = await routing.state()
  if (state.sessions.some(({ address, isDynamic }) => isDynamic && coordinators.includes(address))) {
    // A coordinator that connected before it was known here: FRR gives it a name only while it has no session, and while
    // unnamed nodes are let in it would be back sooner. So they are kept out for a moment.
    await routing.store(routingConfiguration({ ...ground, range: undefined }))
    await routing.reload()
    await routing.store(text)
    memory.followed = undefined
  }
  if (memory.followed === text && doesFollow(state, ground)) {
    const hasUpstream = reportUpstream(deps, memory, state)
    return report(deps, memory, state) && hasUpstream
  }
  await routing.reload()
  memory.followed = text
  log.info({ coordinators }, 'FRR was set up')
  return false
}

type Wish = { readonly ground: RoutingGround; readonly text: string }

/** What FRR is to be told now; undefined while the cluster network has no address here. */
function wish(deps: RoutingKeeperDeps, memory: Memory): Wish | undefined {
  const network = deps.range()
  if (network === undefined) return undefined
  const coordinators = readPeers(deps).map(({ address }) => address)
  const others = deps.coordinators.filter((name) => name !== deps.ground.node)
  const isOpen = coordinators.length === others.length || deps.clock.nowMs() - memory.startedAtMs > OPEN_AFTER_MS
  const range = isOpen ? network : undefined
  const nowMs = deps.clock.nowMs()
  if (deps.index.get(tree.primary.lease)?.value.node === deps.ground.node) memory.reignedAtMs = nowMs
  const isPrimary = memory.reignedAtMs !== undefined && nowMs - memory.reignedAtMs < OUTLIVES_REIGN_MS
  const ground = { ...deps.ground, coordinators, range, networks: readNetworks(deps.index), isPrimary }
  return { ground, text: routingConfiguration(ground) }
}

/** Whether FRR still has what it was told; it loses that in a start that could not read its file. */
function doesFollow({ asn, sessions, upstream }: RoutingState, ground: RoutingGround): boolean {
  const known = new Set([...sessions, ...upstream].map(({ address }) => address))
  const wanted = [...ground.coordinators, ...upstreamOf(ground).map(({ address }) => address)]
  return asn === ground.asn && wanted.every((address) => known.has(address))
}

type Peer = { readonly address: string; readonly heartbeat: number }

/** The other coordinators whose addresses are known. */
function readPeers({ ground, coordinators, index }: RoutingKeeperDeps): readonly Peer[] {
  return coordinators.flatMap((name) => {
    const status = name === ground.node ? undefined : index.get(tree.node(name).status)?.value
    if (status === undefined || status.clusterAddr === '') return []
    return [{ address: status.clusterAddr, heartbeat: status.heartbeat }]
  })
}

/** Faults of sessions. @returns whether every session is there that should be */
function report(deps: RoutingKeeperDeps, memory: Memory, state: RoutingState): boolean {
  const { faults } = deps
  const peers = readPeers(deps)
  const established = new Set(state.sessions.flatMap(({ address, isEstablished }) => (isEstablished ? [address] : [])))
  const absent = peers.filter(({ address }) => !established.has(address))
  const lasting: string[] = []
  for (const { address } of peers) if (established.has(address)) memory.absences.delete(address)
  for (const { address, heartbeat } of absent) {
    const since = memory.absences.get(address) ?? heartbeat
    memory.absences.set(address, since)
    // A node that is away altogether is no fault of routing.
    if (heartbeat - since >= PATIENCE) lasting.push(address)
  }
  if (lasting.length === 0) faults.clear('FRR_SESSION')
  else
    faults.set(
      'FRR_SESSION',
      lasting.length === peers.length ? 'error' : 'warning',
      `FRR of this node has no BGP session with ${lasting.join(', ')}: guests may not reach those of other nodes.`,
    )
  return absent.length === 0
}

/** Faults of sessions with routers outside. @returns whether each is there */
function reportUpstream(deps: RoutingKeeperDeps, memory: Memory, state: RoutingState): boolean {
  const { ground, clock, faults } = deps
  const nowMs = clock.nowMs()
  const established = new Set(state.upstream.flatMap(({ address, isEstablished }) => (isEstablished ? [address] : [])))
  const absent = upstreamOf(ground).filter(({ address }) => {
    if (established.has(address) || !memory.upstreamSeenMs.has(address)) memory.upstreamSeenMs.set(address, nowMs)
    return !established.has(address)
  })
  const lasting = absent.filter(
    ({ address }) => nowMs - (memory.upstreamSeenMs.get(address) ?? nowMs) > UPSTREAM_PATIENCE_MS,
  )
  if (lasting.length === 0) faults.clear('FRR_UPSTREAM')
  else
    faults.set(
      'FRR_UPSTREAM',
      'warning',
      `FRR of this node has no BGP session with ${lasting.map(({ address }) => address).join(', ')} outside: networks of guests are not announced there while this node is primary.`,
    )
  return absent.length === 0
}
