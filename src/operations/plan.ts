import type { MigrationMethod, Selector, Tag, VmMeta, VmSpec } from '../model/domain.ts'
import { DEFAULT_START_PRIORITY, Tag as TagSchema } from '../model/domain.ts'
import type { DomainFacts } from '../model/domain-xml.ts'
import { PvcError } from '../model/errors.ts'
import type { NodeName } from '../model/ids.ts'
import type { Resources } from '../model/node.ts'
import { sizeProblem } from '../model/placement.ts'

/** Pure checks and edits of VM specifications. Every edit raises the generation. */

/** An argument that is well-formed but not acceptable. */
export function argumentError(argument: string, text: string): PvcError {
  const sentence = `${argument} ${text}`
  return new PvcError('PVC_ARGUMENT_INVALID', sentence, { details: { arguments: { [argument]: sentence } } })
}

/** What a client may say about where and how a VM runs; undefined leaves it as it is. */
export type MetaChange = {
  readonly nodeLimit?: readonly NodeName[] | undefined
  readonly selector?: Selector | undefined
  readonly autostart?: boolean | undefined
  readonly migrationMethod?: MigrationMethod | undefined
  readonly migrationMaxDowntimeMs?: number | undefined
  readonly profile?: string | undefined
  readonly startPriority?: number | undefined
  readonly antiAffinityGroup?: string | undefined
  /** Negative: as the node is configured. */
  readonly consoleLines?: number | undefined
  /** Empty: none. */
  readonly userData?: string | undefined
}

/** A new VM's placement rules. `maxDowntimeMs` is the cluster's, for a VM that names none. */
export function newMeta(change: MetaChange, maxDowntimeMs: number): VmMeta {
  return {
    nodeLimit: [...(change.nodeLimit ?? [])],
    selector: change.selector ?? 'none',
    autostart: change.autostart ?? false,
    migrationMethod: change.migrationMethod ?? 'none',
    migrationMaxDowntimeMs: change.migrationMaxDowntimeMs ?? maxDowntimeMs,
    profile: change.profile ?? '',
    startPriority: change.startPriority ?? DEFAULT_START_PRIORITY,
    antiAffinityGroup: change.antiAffinityGroup ?? '',
    ...consoleMeta(change.consoleLines),
  }
}

/** Changes what is given, and nothing else. */
export function editMeta(spec: VmSpec, change: MetaChange): VmSpec {
  const { meta } = spec
  return {
    ...spec,
    generation: spec.generation + 1,
    meta: {
      ...withoutOptional(meta),
      nodeLimit: change.nodeLimit === undefined ? meta.nodeLimit : [...change.nodeLimit],
      selector: change.selector ?? meta.selector,
      autostart: change.autostart ?? meta.autostart,
      migrationMethod: change.migrationMethod ?? meta.migrationMethod,
      migrationMaxDowntimeMs: change.migrationMaxDowntimeMs ?? meta.migrationMaxDowntimeMs,
      profile: change.profile ?? meta.profile,
      startPriority: change.startPriority ?? meta.startPriority,
      antiAffinityGroup: change.antiAffinityGroup ?? meta.antiAffinityGroup,
      ...consoleMeta(change.consoleLines ?? meta.consoleLines),
      ...userDataMeta(change.userData ?? meta.userData),
    },
  }
}

function consoleMeta(lines: number | undefined): Pick<VmMeta, 'consoleLines'> {
  return lines === undefined || lines < 0 ? {} : { consoleLines: lines }
}

function userDataMeta(text: string | undefined): Pick<VmMeta, 'userData'> {
  return text === undefined || text === '' ? {} : { userData: text }
}

function withoutOptional({ consoleLines: _lines, userData: _data, ...meta }: VmMeta): VmMeta {
  return meta
}

/** Fields of a specification that come from the definition. */
export function definitionFields(xml: string, facts: DomainFacts) {
  return {
    xml,
    description: facts.description,
    memoryMiB: facts.memoryMiB,
    vcpus: facts.vcpus,
    rbdList: [...facts.rbdList],
  }
}

/**
 * Replaces the definition. Name and UUID are the identity of a VM and must stay. With `restart` a VM that is wanted on is
 * restarted once.
 * @throws PVC_ARGUMENT_INVALID naming `xml`
 */
export function editDefinition(spec: VmSpec, xml: string, facts: DomainFacts, shouldRestart: boolean): VmSpec {
  if (facts.name !== spec.name) throw argumentError('xml', `names the VM '${facts.name}', not '${spec.name}'`)
  if (facts.uuid !== spec.uuid) throw argumentError('xml', `has the UUID ${facts.uuid}, not ${spec.uuid}`)
  const restart = spec.wishes.restart + (shouldRestart && spec.power === 'on' ? 1 : 0)
  return {
    ...spec,
    ...definitionFields(xml, facts),
    generation: spec.generation + 1,
    wishes: { ...spec.wishes, restart },
  }
}

/** Refuses a VM that could never run on its node. @throws PVC_ARGUMENT_INVALID naming `xml` */
export function checkSize(facts: DomainFacts, node: string, resources: Resources | undefined): void {
  if (resources === undefined) return
  const problem = sizeProblem(facts.memoryMiB, facts.vcpus, resources)
  if (problem !== undefined) throw argumentError('xml', `cannot run on node ${node}: ${problem}`)
}

/** Adds a tag. Adding it again keeps its kind, and never takes its protection away. */
export function addTag(spec: VmSpec, name: string, isProtected: boolean, argument = 'tag'): VmSpec {
  const parsed = TagSchema.safeParse({ name, type: 'user', protected: isProtected })
  if (!parsed.success) throw argumentError(argument, 'must have 1 to 64 characters')
  const present = spec.tags.find((tag) => tag.name === name)
  const tag: Tag = present === undefined ? parsed.data : { ...present, protected: present.protected || isProtected }
  const others = spec.tags.filter((other) => other.name !== name)
  return { ...spec, generation: spec.generation + 1, tags: [...others, tag] }
}

/** Removes a tag. @throws PVC_OBJECT_NOT_FOUND, PVC_STATE_REFUSED for a protected one */
export function removeTag(spec: VmSpec, name: string): VmSpec {
  const tag = spec.tags.find((other) => other.name === name)
  if (tag === undefined) throw new PvcError('PVC_OBJECT_NOT_FOUND', `VM '${spec.name}' has no tag '${name}'`)
  if (tag.protected || tag.type !== 'user')
    throw new PvcError('PVC_STATE_REFUSED', `Tag '${name}' of VM '${spec.name}' is protected and cannot be removed`)
  return { ...spec, generation: spec.generation + 1, tags: spec.tags.filter((other) => other !== tag) }
}

/** What can be asked of a VM's power. */
export type PowerAction = 'start' | 'shutdown' | 'stop' | 'restart' | 'disable'

/**
 * The wish a power action means. Asking again for what is wanted already is no error, except where the older API said so:
 * shutdown and restart need a VM that is wanted on.
 * @throws PVC_STATE_REFUSED
 */
export function editPower(spec: VmSpec, action: PowerAction, isForced: boolean): VmSpec {
  const { wishes } = spec
  const next = { ...spec, generation: spec.generation + 1 }
  switch (action) {
    case 'start':
      checkHold(spec, isForced)
      return { ...next, power: 'on', hold: null, wishes: { ...wishes, start: wishes.start + 1 } }
    case 'restart':
      checkIsOn(spec)
      return { ...next, wishes: { ...wishes, restart: wishes.restart + 1 } }
    case 'shutdown':
      checkIsOn(spec)
      return { ...next, power: 'off' }
    case 'stop':
      checkHold(spec, isForced)
      return { ...next, power: 'off', wishes: { ...wishes, stopNow: wishes.stopNow + 1 } }
    case 'disable':
      checkHold(spec, isForced)
      return {
        ...next,
        power: 'disabled',
        wishes: isForced ? { ...wishes, stopNow: wishes.stopNow + 1 } : wishes,
      }
  }
}

function checkHold(spec: VmSpec, isForced: boolean): void {
  if (spec.hold === null || isForced) return
  const why = spec.hold === 'mirror' ? 'is a mirror of another cluster' : `is held by ${spec.hold}`
  throw new PvcError('PVC_STATE_REFUSED', `VM '${spec.name}' ${why}; this needs force`)
}

function checkIsOn(spec: VmSpec): void {
  if (spec.power === 'on' && spec.hold === null) return
  throw new PvcError('PVC_STATE_REFUSED', `VM '${spec.name}' is not started`)
}

/** Refuses when the client decided on another version than the present one. @throws PVC_OBJECT_CONFLICT */
export function checkVersion(spec: VmSpec, expected: number | undefined): void {
  if (expected === undefined || expected === spec.generation) return
  const message = `VM '${spec.name}' has version ${spec.generation}, not ${expected}`
  throw new PvcError('PVC_OBJECT_CONFLICT', message, { details: { version: spec.generation } })
}
