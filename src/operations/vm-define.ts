import type { Decision } from '../model/decision.ts'
import { emptyVmStatus, isVmSpec, type Tag, type VmMeta, type VmSpec, type VmTombstone } from '../model/domain.ts'
import { type DomainFacts, parseDomainXml, withUuid } from '../model/domain-xml.ts'
import { hasCode, PvcError } from '../model/errors.ts'
import { type NodeName, VmUuid } from '../model/ids.ts'
import { archOf } from '../model/move.ts'
import { choosePlacement, type Placement } from '../model/placement.ts'
import type { StoreSession, Versioned } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import { decisionOf, keepDecision } from './decisions.ts'
import { connectedSession, type OperationsDeps, seeOwnWrite } from './deps.ts'
import { indexedPlacement } from './node-choice.ts'
import { addTag, argumentError, checkSize, definitionFields, type MetaChange, newMeta } from './plan.ts'
import { findVm, readCluster, readNode, readNodes, readVm } from './view.ts'
import { knownNodes } from './vm-edit.ts'
import { reserveName } from './vm-name.ts'

/** A VM to define, as the client gave it. */
export type NewVm = {
  readonly xml: string
  /** Undefined: the cluster chooses. */
  readonly node: string | undefined
  readonly nodeLimit: readonly string[] | undefined
  readonly meta: Omit<MetaChange, 'nodeLimit'>
  readonly userTags: readonly string[]
  readonly protectedTags: readonly string[]
}

/**
 * Defines a VM. Nothing half-written ever shows: the name is reserved first, the VM starts as a tombstone, its status
 * exists before its specification, and the last write makes it appear. Every step can be repeated, so a define that died
 * half-way is taken up by the next one of the same name; a definite failure undoes what this call created.
 * @throws PVC_XML_INVALID, PVC_ARGUMENT_INVALID, PVC_OBJECT_EXISTS, PVC_STATE_REFUSED
 */
export async function defineVm(deps: OperationsDeps, request: NewVm): Promise<VmSpec> {
  const { spec, decision, isUuidNew } = planDefine(deps, request)
  const defined = await writeVm(deps, spec, isUuidNew)
  if (decision !== undefined) await keepDecision(deps, defined.uuid, decision)
  return defined
}

type Plan = {
  readonly spec: VmSpec
  readonly decision: Decision | undefined
  /** Made for this VM: no earlier one can have had it. */
  readonly isUuidNew: boolean
}

/**
 * What a definition would become, and the choice of its node (undefined: the client named it). Changes nothing.
 * @throws PVC_XML_INVALID, PVC_ARGUMENT_INVALID, PVC_OBJECT_EXISTS, PVC_STATE_REFUSED
 */
export function previewVm(deps: OperationsDeps, request: NewVm): Plan {
  const plan = planDefine(deps, request)
  const { name, uuid } = plan.spec
  // Whoever defines it in earnest asks the store; an answer for people may be a moment old.
  if (readVm(deps.index, uuid) !== undefined) throw uuidExists(uuid)
  if (findVm(deps.index, name) !== undefined)
    throw new PvcError('PVC_OBJECT_EXISTS', `A VM named '${name}' exists already`)
  return plan
}

function uuidExists(uuid: VmUuid): PvcError {
  return new PvcError('PVC_OBJECT_EXISTS', `A VM with the UUID ${uuid} exists already`)
}

function planDefine(deps: OperationsDeps, request: NewVm): Plan {
  const parsed = parseDomainXml(request.xml)
  const uuid = parsed.uuid ?? VmUuid.parse(crypto.randomUUID())
  const xml = parsed.uuid === undefined ? withUuid(request.xml, uuid) : request.xml
  return { ...newSpec(deps, request, xml, { ...parsed, uuid }), isUuidNew: parsed.uuid === undefined }
}

async function writeVm(deps: OperationsDeps, spec: VmSpec, isUuidNew: boolean): Promise<VmSpec> {
  const { uuid } = spec
  const session = connectedSession(deps)
  const undo: (() => Promise<void>)[] = []
  try {
    await refuseLivingVm(session, uuid)
    await reserveName(session, spec.name, uuid, undo)
    const lastSeq = isUuidNew ? 0 : await highestSeq(deps, session, uuid)
    const tombstone = await createTombstone(deps, session, { uuid, lastSeq }, undo)
    const keys = tree.vm(uuid)
    await prepareStatus(deps, session, uuid, tombstone.value, undo)
    const next = { ...spec, generation: tombstone.value.deleted.generation + 1 }
    const written = await session.set(keys.spec, next, tombstone.version)
    undo.length = 0
    await keepName(deps, session, next, { version: written.version, lastSeq: tombstone.value.deleted.lastSeq })
    await seeOwnWrite(deps, keys.spec, written.mzxid)
    return next
  } catch (error) {
    // After a time-out the write may have been made: a later define of the same name finds out and goes on.
    if (!hasCode(error, 'PVC_STORE_TIMEOUT', 'PVC_STORE_SESSION_LOST')) await undoAll(deps, undo)
    if (hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_MISSING'))
      throw new PvcError('PVC_OBJECT_CONFLICT', `VM '${spec.name}' is being defined or removed by somebody else`)
    throw error
  }
}

function newSpec(
  deps: OperationsDeps,
  request: NewVm,
  xml: string,
  facts: DomainFacts & { readonly uuid: VmUuid },
): Omit<Plan, 'isUuidNew'> {
  const nodeLimit = knownNodes(deps, 'limit', request.nodeLimit ?? [])
  const meta = newMeta({ ...request.meta, nodeLimit }, deps.defaults.maxDowntimeMs)
  const { node, placement } = chooseNode(deps, request, facts, meta)
  const bare: VmSpec = {
    uuid: facts.uuid,
    name: facts.name,
    generation: 1,
    power: 'off',
    wishes: { start: 0, restart: 0, stopNow: 0 },
    node,
    lastNode: null,
    move: null,
    hold: null,
    ...definitionFields(xml, facts),
    meta,
    tags: [],
  }
  const tagged = request.userTags.reduce((spec, tag) => addTag(spec, tag, false, 'user_tags'), bare)
  const tags: Tag[] = request.protectedTags.reduce(
    (spec, tag) => addTag(spec, tag, true, 'protected_tags'),
    tagged,
  ).tags
  const about = { at: deps.clock.wallMs(), kind: 'define', from: null } as const
  return { spec: { ...bare, tags }, decision: placement && decisionOf(placement, about) }
}

type Chosen = { readonly node: NodeName; readonly placement: Placement | undefined }

function chooseNode(deps: OperationsDeps, request: NewVm, facts: DomainFacts, meta: VmMeta): Chosen {
  const { nodeLimit, selector, antiAffinityGroup } = meta
  if (request.node !== undefined) {
    const [node] = knownNodes(deps, 'node', [request.node])
    if (node === undefined) throw argumentError('node', 'is required')
    if (nodeLimit.length > 0 && !nodeLimit.includes(node)) throw argumentError('node', `'${node}' is not in the limit`)
    checkSize(facts, node, readNode(deps.index, node)?.status?.resources)
    return { node, placement: undefined }
  }
  const placement = choosePlacement(
    {
      memoryMiB: facts.memoryMiB,
      vcpus: facts.vcpus,
      nodeLimit,
      selector: selector === 'none' ? readCluster(deps.index).defaults.selector : selector,
      antiAffinityGroup,
      cpu: { arch: archOf(facts) },
      mustFitNow: false,
    },
    indexedPlacement(deps.index),
  )
  if (placement.choice !== null) return { node: placement.choice, placement }
  throw new PvcError('PVC_STATE_REFUSED', `No node can take VM '${facts.name}': ${placement.reason}`, {
    details: { candidates: placement.candidates },
  })
}

async function refuseLivingVm(session: StoreSession, uuid: VmUuid): Promise<void> {
  const present = await session.get(tree.vm(uuid).spec)
  if (!isVmSpec(present?.value)) return
  throw new PvcError('PVC_OBJECT_EXISTS', `A VM with the UUID ${uuid} exists already: '${present.value.name}'`)
}

/**
 * The highest seq any node remembers of this UUID: the tombstone of an earlier VM may be gone after 30 days, and seq never
 * repeats all the same. Nodes would refuse to start a VM with a lower one.
 */
async function highestSeq(deps: OperationsDeps, session: StoreSession, uuid: VmUuid): Promise<number> {
  const seqs = readNodes(deps.index).map(async ({ spec: { name } }) => {
    try {
      return (await session.get(tree.node(name).seqs))?.value.seqs[uuid] ?? 0
    } catch (error) {
      if (!hasCode(error, 'PVC_STORE_CORRUPT')) throw error
      deps.log.warn({ err: error, node: name }, 'the run sequences of a node are unreadable')
      return 0
    }
  })
  return Math.max(0, ...(await Promise.all(seqs)))
}

/** The tombstone every VM starts from: a new one, or what an earlier VM of this UUID left. */
async function createTombstone(
  deps: OperationsDeps,
  session: StoreSession,
  { uuid, lastSeq }: { readonly uuid: VmUuid; readonly lastSeq: number },
  undo: (() => Promise<void>)[],
): Promise<Versioned<VmTombstone>> {
  const key = tree.vm(uuid).spec
  const fresh: VmTombstone = { uuid, deleted: { at: deps.clock.wallMs(), lastSeq, generation: 0 } }
  try {
    await session.create(key, fresh)
    undo.push(() => session.remove(key.path, 0))
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_EXISTS')) throw error
  }
  const present = await session.get(key)
  if (present === undefined || isVmSpec(present.value)) throw uuidExists(uuid)
  return { ...present, value: present.value }
}

/** An empty status whose seq continues where the last VM of this UUID ended. */
async function prepareStatus(
  deps: OperationsDeps,
  session: StoreSession,
  uuid: VmUuid,
  tombstone: VmTombstone,
  undo: (() => Promise<void>)[],
): Promise<void> {
  const key = tree.vm(uuid).status
  const { lastSeq, generation } = tombstone.deleted
  // Generations go on too, so that nothing observed of the last VM can look like an answer to this one.
  const empty = { ...emptyVmStatus(lastSeq, deps.clock.wallMs()), observedGeneration: generation }
  try {
    await session.create(key, empty)
    undo.push(() => session.remove(key.path, 0))
    return
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_EXISTS')) throw error
  }
  const present = await session.get(key)
  if (present === undefined) throw new PvcError('PVC_OBJECT_CONFLICT', `VM ${uuid} is being removed by somebody else`)
  const { run, seq } = present.value
  if (run !== null)
    throw new PvcError('PVC_STATE_REFUSED', `Node ${run.node} still holds the removed VM ${uuid}; try again later`)
  await session.set(key, { ...empty, seq: Math.max(seq, lastSeq) }, present.version)
}

/**
 * Another define of the same name may have taken the reservation while this VM was still a tombstone. The last look
 * happens after the specification was written: of two such defines at most one survives (see vm-name.ts).
 */
async function keepName(
  deps: OperationsDeps,
  session: StoreSession,
  spec: VmSpec,
  written: { readonly version: number; readonly lastSeq: number },
): Promise<void> {
  const reservation = await session.get(tree.vmNames.child(spec.name))
  if (reservation?.value.uuid === spec.uuid) return
  const deleted = { at: deps.clock.wallMs(), lastSeq: written.lastSeq, generation: spec.generation }
  await session.set(tree.vm(spec.uuid).spec, { uuid: spec.uuid, deleted }, written.version)
  throw new PvcError('PVC_OBJECT_EXISTS', `A VM named '${spec.name}' is being defined by somebody else`)
}

async function undoAll(deps: OperationsDeps, undo: (() => Promise<void>)[]): Promise<void> {
  for (const step of undo.reverse()) {
    try {
      await step()
    } catch (error) {
      deps.log.warn({ err: error }, 'a failed define left something behind; a define of the same name takes it up')
    }
  }
}
