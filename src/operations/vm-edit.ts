import { isVmSpec, type VmSpec, VmSpec as VmSpecSchema } from '../model/domain.ts'
import { parseDomainXml, withUuid } from '../model/domain-xml.ts'
import { NodeName, VmUuid } from '../model/ids.ts'
import { tree } from '../schema/tree.ts'
import { connectedSession, type OperationsDeps } from './deps.ts'
import { editDocument } from './edit.ts'
import {
  addTag,
  argumentError,
  checkSize,
  checkVersion,
  editDefinition,
  editMeta,
  editPower,
  type MetaChange,
  type PowerAction,
  removeTag,
} from './plan.ts'
import { findVm, readNode, vmNotFound } from './view.ts'

/**
 * UUID of a VM named by a client. The index answers; only a name it does not know is looked up in the store, because it
 * may have been defined through another daemon a moment ago.
 * @throws PVC_OBJECT_NOT_FOUND
 */
export async function resolveVm(deps: OperationsDeps, nameOrUuid: string): Promise<VmUuid> {
  const entry = findVm(deps.index, nameOrUuid)
  if (entry !== undefined) return entry.spec.value.uuid
  const session = connectedSession(deps)
  if (VmSpecSchema.shape.name.safeParse(nameOrUuid).success) {
    const reservation = await session.get(tree.vmNames.child(nameOrUuid))
    if (reservation !== undefined) return reservation.value.uuid
  }
  const uuid = VmUuid.safeParse(nameOrUuid)
  if (uuid.success && isVmSpec((await session.get(tree.vm(uuid.data).spec))?.value)) return uuid.data
  throw vmNotFound(nameOrUuid)
}

/** Changes the specification of one VM. `change` is pure and may run several times. */
export async function editVm(
  deps: OperationsDeps,
  nameOrUuid: string,
  expectedVersion: number | undefined,
  change: (spec: VmSpec) => VmSpec,
): Promise<VmSpec> {
  const uuid = await resolveVm(deps, nameOrUuid)
  const edited = await editDocument(deps, tree.vm(uuid).spec, `VM '${nameOrUuid}'`, (document) => {
    if (!isVmSpec(document)) throw vmNotFound(nameOrUuid)
    checkVersion(document, expectedVersion)
    return change(document)
  })
  if (!isVmSpec(edited)) throw vmNotFound(nameOrUuid)
  return edited
}

/** Replaces the definition of a VM. */
export async function modifyVm(
  deps: OperationsDeps,
  nameOrUuid: string,
  change: { readonly xml: string; readonly restart: boolean; readonly version: number | undefined },
): Promise<VmSpec> {
  const parsed = parseDomainXml(change.xml)
  return editVm(deps, nameOrUuid, change.version, (spec) => {
    const hasUuid = parsed.uuid !== undefined
    const facts = hasUuid ? parsed : { ...parsed, uuid: spec.uuid }
    checkSize(facts, spec.node, readNode(deps.index, spec.node)?.status?.resources)
    return editDefinition(spec, hasUuid ? change.xml : withUuid(change.xml, spec.uuid), facts, change.restart)
  })
}

/** Changes where and how a VM may run. */
export async function setVmMeta(
  deps: OperationsDeps,
  nameOrUuid: string,
  change: MetaChange,
  expectedVersion: number | undefined,
): Promise<VmSpec> {
  return editVm(deps, nameOrUuid, expectedVersion, (spec) => editMeta(spec, change))
}

/** Adds or removes one tag. */
export async function editVmTags(
  deps: OperationsDeps,
  nameOrUuid: string,
  edit: { readonly action: 'add' | 'remove'; readonly tag: string; readonly isProtected: boolean },
): Promise<VmSpec> {
  return editVm(deps, nameOrUuid, undefined, (spec) =>
    edit.action === 'add' ? addTag(spec, edit.tag, edit.isProtected) : removeTag(spec, edit.tag),
  )
}

/** Writes the wish a power action means; the VM's node carries it out. */
export async function setVmPower(
  deps: OperationsDeps,
  nameOrUuid: string,
  action: PowerAction,
  options: { readonly isForced: boolean; readonly version: number | undefined },
): Promise<VmSpec> {
  return editVm(deps, nameOrUuid, options.version, (spec) => editPower(spec, action, options.isForced))
}

/** Checks names of nodes given as an argument. @throws PVC_ARGUMENT_INVALID */
export function knownNodes(deps: OperationsDeps, argument: string, names: readonly string[]): readonly NodeName[] {
  return names.map((name) => {
    const parsed = NodeName.safeParse(name)
    if (!parsed.success || readNode(deps.index, name) === undefined)
      throw argumentError(argument, `names the unknown node '${name}'`)
    return parsed.data
  })
}
