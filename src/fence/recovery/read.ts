import { Limiter } from '../../base/limiter.ts'
import type { NodeFacts } from '../../model/compat-node.ts'
import { isVmSpec, type VmStatus } from '../../model/domain.ts'
import { errorChain, hasCode } from '../../model/errors.ts'
import type { FenceJournal } from '../../model/fence.ts'
import { type LifeId, NodeName, VmUuid } from '../../model/ids.ts'
import type { StoreSession, Versioned } from '../../ports/store.ts'
import { tree } from '../../schema/tree.ts'
import { isStranded } from './plan.ts'
import type { RecoverySnapshot, RecoveryVm } from './snapshot.ts'

/** Reads in flight at the same time: one session carries them all. */
const PARALLEL_READS = 32
/** A shortage that has not passed by then will last: the node is not kept out of service, and switched off, for it any longer. */
const PASSING_MS = 600_000

/** A snapshot with the versions its writes need. */
export type ReadRecovery = {
  readonly snapshot: RecoverySnapshot
  readonly versions: ReadonlyMap<VmUuid, { readonly spec: number | undefined; readonly status: number }>
}

/** Times of this primary: for what it writes down, and how long it has been looking for places already. */
type RecoveryTimes = { readonly wallMs: number; readonly recoveringForMs: number }

/** A node with its journal, as the store has them now. */
export type NodeRead = NodeFacts & {
  readonly journal: FenceJournal | undefined
  readonly aliveLife: LifeId | undefined
}

/** Names of all nodes, sorted. */
export async function nodeNames(session: StoreSession): Promise<readonly NodeName[]> {
  const names = (await session.children(tree.nodes.path)) ?? []
  return names.flatMap((name) => NodeName.safeParse(name).data ?? []).sort()
}

/** All registered nodes. */
export async function readNodes(session: StoreSession): Promise<readonly NodeRead[]> {
  const reads = (await nodeNames(session)).map(async (name): Promise<readonly NodeRead[]> => {
    const keys = tree.node(name)
    const [spec, status, alive, journal] = await Promise.all([
      session.get(keys.spec),
      session.get(keys.status),
      session.get(keys.alive),
      session.get(keys.fence),
    ])
    if (spec === undefined) return []
    const isAlive = alive !== undefined && alive.value.life === status?.value.life
    const facts = { spec: spec.value, status: status?.value, stats: undefined, isAlive }
    return [{ ...facts, journal: journal?.value, aliveLife: alive?.value.life }]
  })
  return (await Promise.all(reads)).flat()
}

/** Nodes that may be given VMs: alive and certified under one life, journal closed (protocol P7b). */
export function targetsOf(nodes: readonly NodeRead[]): ReadonlyMap<NodeName, LifeId> {
  return new Map(
    nodes.flatMap(({ spec, status, journal, aliveLife }): [NodeName, LifeId][] => {
      const isCertified = status?.certified === true && status.daemon === 'run' && status.life === aliveLife
      const isFree = journal?.state === 'closed' && aliveLife !== undefined && !journal.deadLives.includes(aliveLife)
      return isCertified && isFree ? [[spec.name, aliveLife]] : []
    }),
  )
}

type Read<T> = { readonly document: Versioned<T> | undefined; readonly problem: string }

/** One document that cannot be decoded must not keep the VMs of all the others waiting. */
async function readable<T>(reading: Promise<Versioned<T> | undefined>): Promise<Read<T>> {
  try {
    return { document: await reading, problem: '' }
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_CORRUPT')) throw error
    return { document: undefined, problem: errorChain(error) }
  }
}

/** The run records of all VMs, each with its version. One that cannot be decoded is left out: it names no life. */
export async function readRecords(
  session: StoreSession,
): Promise<readonly { readonly uuid: VmUuid; readonly status: Versioned<VmStatus> }[]> {
  await session.sync()
  const limiter = new Limiter(PARALLEL_READS)
  const uuids = ((await session.children(tree.vms.path)) ?? []).flatMap((name) => VmUuid.safeParse(name).data ?? [])
  const reads = uuids.map((uuid) =>
    limiter.run(async () => {
      const { document: status } = await readable(session.get(tree.vm(uuid).status))
      return status === undefined ? [] : [{ uuid, status }]
    }),
  )
  return (await Promise.all(reads)).flat()
}

/** Nodes that VMs wait for although nobody holds them, found among records that name no node. */
export async function readAwaited(
  session: StoreSession,
  free: readonly { readonly uuid: VmUuid; readonly status: VmStatus }[],
): Promise<ReadonlySet<NodeName>> {
  const limiter = new Limiter(PARALLEL_READS)
  const reads = free.map(({ uuid, status }) =>
    limiter.run(async () => {
      const { document } = await readable(session.get(tree.vm(uuid).spec))
      return isStranded(document?.value, status) ? [document.value.node] : []
    }),
  )
  return new Set((await Promise.all(reads)).flat())
}

/** Reads everything a recovery of `node` is planned from. */
export async function readRecovery(session: StoreSession, node: NodeName, times: RecoveryTimes): Promise<ReadRecovery> {
  const [records, nodes, cluster, seqs] = await Promise.all([
    readRecords(session),
    readNodes(session),
    session.get(tree.cluster),
    readSeqs(session),
  ])
  const own = nodes.find(({ spec }) => spec.name === node)
  const journal = own?.journal
  const deadLives = new Set(journal?.deadLives)
  const limiter = new Limiter(PARALLEL_READS)
  const read = await Promise.all(
    records.map(({ uuid, status }) =>
      limiter.run(async () => {
        const isVictim = status.value.run?.node === node && deadLives.has(status.value.run.life)
        const [spec, arrival] = await Promise.all([
          readable(session.get(tree.vm(uuid).spec)),
          isVictim ? readable(session.get(tree.vm(uuid).arrival)) : undefined,
        ])
        const document = spec.document?.value
        const vm: RecoveryVm = {
          uuid,
          document,
          status: status.value,
          arrival: arrival?.document?.value,
          problem: spec.problem || (arrival?.problem ?? ''),
        }
        return { vm, spec: isVmSpec(document) ? spec.document?.version : undefined, status: status.version }
      }),
    ),
  )
  const snapshot: RecoverySnapshot = {
    node,
    deadLives,
    mayWait: own !== undefined && !isBack(own) && times.recoveringForMs < PASSING_MS,
    isAway: own !== undefined && own.aliveLife === undefined,
    vms: read.map(({ vm }) => vm),
    nodes,
    targets: targetsOf(nodes.filter(({ spec }) => spec.name !== node)),
    highestSeqs: seqs,
    defaultSelector: cluster?.value.defaults.selector ?? 'mem',
    wallMs: times.wallMs,
  }
  return { snapshot, versions: new Map(read.map(({ vm, spec, status }) => [vm.uuid, { spec, status }])) }
}

/** It runs again and waits for its journal to be closed. */
function isBack({ journal, aliveLife, status }: NodeRead): boolean {
  return aliveLife !== undefined && status?.ack === journal?.seq
}

/** What nodes have seen of run sequences: one that is higher than the store's shows that the store went backwards. */
async function readSeqs(session: StoreSession): Promise<RecoverySnapshot['highestSeqs']> {
  const highest = new Map<VmUuid, { readonly seq: number; readonly node: NodeName }>()
  const names = await nodeNames(session)
  const tables = await Promise.all(names.map((name) => session.get(tree.node(name).seqs)))
  for (const [index, table] of tables.entries()) {
    const node = names[index]
    if (table === undefined || node === undefined) continue
    for (const [uuid, seq] of Object.entries(table.value.seqs)) {
      const known = VmUuid.safeParse(uuid).data
      if (known !== undefined && seq > (highest.get(known)?.seq ?? -1)) highest.set(known, { seq, node })
    }
  }
  return highest
}
