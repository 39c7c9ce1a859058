import type { NodeFacts } from '../../model/compat-node.ts'
import { isVmSpec } from '../../model/domain.ts'
import { hasCode } from '../../model/errors.ts'
import { type NodeName, NodeName as NodeNameSchema, VmUuid } from '../../model/ids.ts'
import type { VmFacts } from '../../model/placement.ts'
import type { Hypervisor } from '../../ports/hypervisor.ts'
import type { StoreSession } from '../../ports/store.ts'
import type { Key } from '../../schema/key.ts'
import { tree } from '../../schema/tree.ts'
import type { Index } from '../../view/index.ts'

/** A document; one of another release that cannot be read counts as absent. */
export async function readOrNothing<T>(session: StoreSession, key: Key<T>): Promise<T | undefined> {
  try {
    return (await session.get(key))?.value
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_CORRUPT')) return undefined
    throw error
  }
}

/** Every node, read from the store itself: a watch on all of them would cost every node something all the time. */
export async function observeNodes(session: StoreSession): Promise<readonly NodeFacts[]> {
  const names = (await session.children(tree.nodes.path)) ?? []
  const nodes = await Promise.all(names.map((name) => observeNode(session, NodeNameSchema.parse(name))))
  return nodes.flatMap((node) => node ?? [])
}

async function observeNode(session: StoreSession, name: NodeName): Promise<NodeFacts | undefined> {
  const keys = tree.node(name)
  const [spec, status, alive] = await Promise.all([
    readOrNothing(session, keys.spec),
    readOrNothing(session, keys.status),
    readOrNothing(session, keys.alive),
  ])
  return spec && { spec, status, stats: undefined, isAlive: alive !== undefined }
}

/** Every VM, from the index: what is decided on it is written only if the documents are still the same. */
export function observeVms(index: Index): readonly VmFacts[] {
  return index.children(tree.vms.path).flatMap((name) => {
    const keys = tree.vm(VmUuid.parse(name))
    const spec = index.get(keys.spec)?.value
    const status = index.get(keys.status)?.value
    return isVmSpec(spec) && status !== undefined ? [{ spec, status }] : []
  })
}

const INACTIVE: ReadonlySet<string> = new Set(['shutoff', 'crashed', 'nostate'])

/** How many domains libvirt runs here, of whomever; undefined: it does not say. */
export async function observeDomains(hypervisor: Hypervisor): Promise<number | undefined> {
  try {
    return (await hypervisor.list()).filter(({ state }) => !INACTIVE.has(state)).length
  } catch (error) {
    if (hasCode(error, 'PVC_HYPERVISOR_UNAVAILABLE', 'PVC_HYPERVISOR_TIMEOUT', 'PVC_HYPERVISOR_FAILED'))
      return undefined
    throw error
  }
}
