/** Virtual functions of network cards: what there is, who uses it, how it is to be set up. */
import type { VmSpec } from '../model/domain.ts'
import { parseDomainXml } from '../model/domain-xml.ts'
import { hasCode, PvcError } from '../model/errors.ts'
import type { NodeName } from '../model/ids.ts'
import {
  type PhysicalFunction,
  type SriovWish,
  shownConfig,
  usedFunction,
  type VfConfig,
  type VirtualFunction,
  vfKey,
  vfProblem,
} from '../model/sriov.ts'
import { tree } from '../schema/tree.ts'
import { connectedSession, type OperationsDeps, seeOwnWrite } from './deps.ts'
import type { DocumentIndex } from './document-index.ts'
import { editDocument } from './edit.ts'
import { argumentError } from './plan.ts'
import { eachVm, readNode, requireNode } from './view.ts'

/** A virtual function with all that is known of it. */
export type FunctionView = {
  readonly node: NodeName
  readonly pf: string
  readonly vf: VirtualFunction
  /** As it is wanted, or, where nobody said, as it is. */
  readonly config: VfConfig
  /** Names of the VMs of this node whose definitions name it. */
  readonly users: readonly string[]
}

/** Cards of a node. @throws PVC_OBJECT_NOT_FOUND: there is no such node */
export function readPhysicalFunctions(index: DocumentIndex, node: string): readonly PhysicalFunction[] {
  return index.get(tree.node(requireNode(index, node).spec.name).sriov)?.value.pfs ?? []
}

/** Virtual functions of a node, or of one of its cards. @throws PVC_OBJECT_NOT_FOUND: there is no such node */
export function readFunctions(index: DocumentIndex, node: string, pf?: string): readonly FunctionView[] {
  const { name } = requireNode(index, node).spec
  const wish = index.get(tree.node(name).sriovWish)?.value
  const users = usersOf(index, name)
  return readPhysicalFunctions(index, node)
    .filter((card) => pf === undefined || card.name === pf)
    .flatMap((card) =>
      card.vfs.map((vf) => {
        const config = wish?.vfs[vfKey(card.name, vf.index)] ?? shownConfig(vf.actual)
        return { node: name, pf: card.name, vf, config, users: users.get(vf.name) ?? [] }
      }),
    )
}

/** @throws PVC_OBJECT_NOT_FOUND */
export function requireFunction(index: DocumentIndex, node: string, vf: string): FunctionView {
  const found = readFunctions(index, node).find((each) => each.vf.name === vf)
  if (found === undefined) throw new PvcError('PVC_OBJECT_NOT_FOUND', `Node '${node}' has no virtual function '${vf}'`)
  return found
}

/** Changes what is given of a virtual function. @throws PVC_ARGUMENT_INVALID, PVC_OBJECT_NOT_FOUND, PVC_OBJECT_CONFLICT */
export async function setFunction(
  deps: OperationsDeps,
  node: string,
  vf: string,
  change: { readonly [Part in keyof VfConfig]?: VfConfig[Part] | undefined },
): Promise<void> {
  const found = requireFunction(deps.index, node, vf)
  const name = vfKey(found.pf, found.vf.index)
  const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
  const key = tree.node(found.node).sriovWish
  await ensureWish(deps, found.node)
  await editDocument(deps, key, `Set-up of virtual functions of node '${node}'`, (wish: SriovWish) => {
    const config: VfConfig = { ...(wish.vfs[name] ?? found.config), ...given }
    const problem = vfProblem(config)
    if (problem !== undefined) throw argumentError(problem.argument, problem.text)
    return { generation: wish.generation + 1, vfs: { ...wish.vfs, [name]: config } }
  })
}

async function ensureWish(deps: OperationsDeps, node: NodeName): Promise<void> {
  const key = tree.node(node).sriovWish
  if (deps.index.get(key) !== undefined) return
  try {
    await connectedSession(deps).create(key, { generation: 0, vfs: {} })
    await seeOwnWrite(deps, key, 0n)
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_EXISTS')) throw error
  }
}

/** VMs of a node by the virtual function that they name. */
function usersOf(index: DocumentIndex, node: NodeName): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>()
  for (const { spec } of eachVm(index)) {
    const { name, node: home, xml } = spec.value
    if (home !== node) continue
    for (const used of functionsIn(xml)) users.set(used, [...(users.get(used) ?? []), name])
  }
  return users
}

/** Devices that a definition names to be given to its guest. Most name none, and are not read. */
function functionsIn(xml: string): readonly string[] {
  if (!/<interface\s[^>]*type=["'](?:hostdev|direct)["']/.test(xml)) return []
  try {
    return parseDomainXml(xml).networks.flatMap((network) => usedFunction(network) ?? [])
  } catch (error) {
    if (hasCode(error, 'PVC_XML_INVALID')) return []
    throw error
  }
}

/** What is wrong with the virtual functions that a VM names, as warnings: other VMs of its node use them, or there are none. */
export function functionWarnings(index: DocumentIndex, { name: own, node, xml }: VmSpec): readonly string[] {
  const named = functionsIn(xml)
  if (named.length === 0 || node === null || readNode(index, node) === undefined) return []
  const functions = readFunctions(index, node)
  // A macvtap may also sit on a card itself, which any number of guests share.
  const cards = new Set(readPhysicalFunctions(index, node).map((card) => card.name))
  return named.flatMap((device) => {
    if (cards.has(device)) return []
    const found = functions.find(({ vf }) => vf.name === device)
    if (found === undefined) return [`Node ${node} has no virtual function ${device}: the VM cannot start there.`]
    const others = found.users.filter((user) => user !== own)
    return others.length === 0
      ? []
      : [`Virtual function ${device} of node ${node} is used by ${others.join(', ')}, too.`]
  })
}
