/** Empties and fills this node, as its specification says. */
import type { Clock } from '../../base/clock.ts'
import { Reconciler } from '../../base/reconciler.ts'
import { isVmSpec, type VmSpec } from '../../model/domain.ts'
import { errorChain, hasCode } from '../../model/errors.ts'
import type { FlushRun } from '../../model/flush.ts'
import { type FlushFacts, flushFacts } from '../../model/flush-plan.ts'
import { type NodeName, VmUuid } from '../../model/ids.ts'
import type { DomainState, NodeSpec } from '../../model/node.ts'
import { placementNodes } from '../../model/placement.ts'
import type { Hypervisor } from '../../ports/hypervisor.ts'
import type { Log } from '../../ports/log.ts'
import type { StoreSession } from '../../ports/store.ts'
import { tree } from '../../schema/tree.ts'
import type { Index } from '../../view/index.ts'
import { applySpecWrite } from './apply.ts'
import { decideFlush } from './decide.ts'
import { observeDomains, observeNodes, observeVms, readOrNothing } from './observe.ts'
import { FIRST_MEMORY, type FlushDecision, type FlushMemory } from './snapshot.ts'
import { dropTurn, observeTurn, takeTurn } from './turn.ts'

export type FlushOptions = {
  readonly self: NodeName
  /** The session of the certificate; undefined: nothing may be done. */
  readonly session: () => StoreSession | undefined
  readonly index: Index
  readonly hypervisor: Hypervisor
  readonly parallel: number
  /** What an earlier daemon published last; undefined: not known. */
  readonly previousState: () => DomainState | undefined
  /** Called when the domain state has changed. */
  readonly onState: () => void
  readonly clock: Clock
  readonly log: Log
}

/** The part of a node that is emptied and filled. */
export type Flush = {
  /** Domain state, as the heartbeat publishes it. */
  domainState(): DomainState
  start(): void
  /** Looks again, after certification. */
  trigger(): void
  stop(): Promise<void>
}

const RESCAN_MS = 30_000
const RETRY_MS = 1000
const DEFAULT_SELECTOR = 'mem'

/** Creates the part; nothing happens before `start`. */
export function createFlush(options: FlushOptions): Flush {
  const { self, index, hypervisor, clock } = options
  const log = options.log.child({ component: 'flush' })
  const keys = tree.node(self)
  let state: DomainState | undefined
  const unsubscribes: (() => void)[] = []
  const factsOf = rememberFacts()
  let memory: FlushMemory = FIRST_MEMORY
  let published: Published | undefined
  let isStarted = false
  let isActive = false

  /** Until the first look, the node says what it said before. */
  const initialState = (): DomainState => {
    const wanted = index.get(keys.spec)?.value.wanted
    const before = options.previousState()
    if (wanted === 'flush') return before === 'flushed' ? 'flushed' : 'flush'
    return wanted === undefined ? (before ?? 'ready') : before === 'flush' || before === 'flushed' ? 'unflush' : 'ready'
  }

  const setState = (next: DomainState) => {
    if (next === state) return
    if (state !== undefined) log.info({ from: state, to: next }, 'domain state')
    state = next
    options.onState()
  }

  async function pass() {
    const session = options.session()
    const wanted = index.get(keys.spec)?.value
    if (session === undefined || wanted === undefined || !index.isFresh.value) return {}
    published = published?.session === session ? published : await readPublished(session, keys.flush)
    if (isAtRest(wanted, published.run) && !isActive) {
      setState('ready')
      return {}
    }
    const decision = decideFlush(await observe(session, wanted, published.run))
    memory = decision.memory
    isActive = decision.wakeInMs !== undefined || decision.turn !== 'keep'
    setState(decision.domainState)
    const isNews = await apply(session, decision)
    // A plan just published is begun at once.
    return isNews ? { wakeInMs: 0 } : decision.wakeInMs === undefined ? {} : { wakeInMs: decision.wakeInMs }
  }

  async function observe(session: StoreSession, wanted: NodeSpec, run: FlushRun | undefined) {
    const [nodes, cluster, turn, activeDomains] = await Promise.all([
      observeNodes(session),
      session.get(tree.cluster),
      observeTurn(session, self),
      wanted.wanted === 'flush' ? observeDomains(hypervisor) : undefined,
    ])
    const vms = observeVms(index)
    return {
      self,
      wanted,
      run,
      vms,
      nodes: placementNodes(nodes, vms),
      defaultSelector: cluster?.value.defaults.selector ?? DEFAULT_SELECTOR,
      factsOf,
      turn,
      activeDomains,
      parallel: options.parallel,
      nowMs: clock.nowMs(),
      wallMs: clock.wallMs(),
      memory,
    }
  }

  /** @returns true when something was changed that the next look should build on at once */
  async function apply(session: StoreSession, decision: FlushDecision): Promise<boolean> {
    const { run, turn, writes } = decision
    if (turn === 'take') await takeTurn(session, self)
    if (turn === 'drop') await dropTurn(session, self)
    let isNews = turn === 'take' || (run !== undefined && run.id !== published?.run?.id)
    if (run !== undefined) await publish(session, run)
    for (const write of writes) isNews = (await applySpecWrite(session, { index, log }, write)) || isNews
    return isNews
  }

  async function publish(session: StoreSession, run: FlushRun): Promise<void> {
    const known = published
    if (known === undefined || JSON.stringify(known.run) === JSON.stringify(run)) return
    // Until the outcome is known, nothing is.
    published = undefined
    if (known.run?.id !== run.id) log.info({ run: run.id, steps: run.steps.length }, 'a new plan')
    const { version } = known
    if (version === undefined) await session.create(keys.flush, run)
    const written = version === undefined ? undefined : await session.set(keys.flush, run, version)
    published = { session, run, version: written?.version ?? 0 }
  }

  const loop = new Reconciler({
    clock,
    pass,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    onError(error) {
      const isOutage = hasCode(error, 'PVC_STORE_SESSION_LOST', 'PVC_STORE_UNAVAILABLE', 'PVC_STORE_TIMEOUT')
      log[isOutage ? 'info' : 'warn']({ error: errorChain(error) }, 'looking at the node failed, trying again')
    },
  })

  /** While there is something to do, every VM may matter: also those that take the room. */
  const isRelevant = (path: string): boolean => {
    if (path === keys.spec.path) return true
    const uuid = vmOfPath(path)
    return uuid !== undefined && (isActive || (state !== 'ready' && isHere(uuid)))
  }
  const isHere = (uuid: VmUuid): boolean => {
    const spec = index.get(tree.vm(uuid).spec)?.value
    return index.get(tree.vm(uuid).status)?.value.run?.node === self || (isVmSpec(spec) && spec.node === self)
  }

  const trigger = () => isStarted && loop.trigger()

  return {
    domainState: () => state ?? initialState(),
    start() {
      isStarted = true
      unsubscribes.push(
        index.onChange((changes) => [...changes.keys()].some(isRelevant) && trigger()),
        hypervisor.subscribe(() => isActive && trigger()),
      )
      trigger()
    },
    trigger,
    async stop() {
      for (const unsubscribe of unsubscribes) unsubscribe()
      await loop.stop()
    },
  }
}

type Published = {
  readonly session: StoreSession
  readonly run: FlushRun | undefined
  /** Undefined: there is no document. */
  readonly version: number | undefined
}

async function readPublished(session: StoreSession, key: ReturnType<typeof tree.node>['flush']): Promise<Published> {
  const run = await readOrNothing(session, key)
  // What another release left there is replaced, not understood.
  return { session, run, version: (await session.readWatched(key.path, 'ignore'))?.version }
}

/** Ready, and nothing asked since. */
function isAtRest({ wanted, wish }: NodeSpec, run: FlushRun | undefined): boolean {
  if (wanted !== 'ready') return false
  return run === undefined ? wish === 0 : run.kind === 'ready' && run.wish === wish && run.endedAt !== null
}

/** The index hands out the same specification until it changes, so that each definition is parsed once. */
function rememberFacts(): (spec: VmSpec) => FlushFacts {
  const known = new WeakMap<VmSpec, FlushFacts>()
  return (spec) => {
    const facts = known.get(spec) ?? flushFacts(spec.xml)
    known.set(spec, facts)
    return facts
  }
}

function vmOfPath(path: string): VmUuid | undefined {
  const prefix = `${tree.vms.path}/`
  if (!path.startsWith(prefix)) return undefined
  const uuid = VmUuid.safeParse(path.slice(prefix.length).split('/')[0])
  return uuid.success ? uuid.data : undefined
}
