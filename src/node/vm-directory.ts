/** Which VM concerns which node, from the index. A hint where to look; whoever acts reads the store itself. */
import { isVmSpec } from '../model/domain.ts'
import { type NodeName, VmUuid } from '../model/ids.ts'
import { tree } from '../schema/tree.ts'
import type { Index } from '../view/index.ts'
import type { Promised } from './keepalive/resources.ts'

/** Questions of the node parts about all VMs. */
export type NodeVmDirectory = {
  /** VMs whose spec or run record names `node`. */
  vmsOf(node: NodeName): Iterable<VmUuid>
  /** Whether spec or run record of this VM names `node`. */
  concerns(uuid: VmUuid, node: NodeName): boolean
  /** Called when spec or status of a VM changed; undefined: anything may have changed. */
  onChange(listener: (uuid: VmUuid | undefined) => void): () => void
  /** What VMs need whose record `node` holds and which are not among `running`. */
  promised(node: NodeName, running: ReadonlySet<string>): Promised
}

/** More changes at once than this are one: "anything may have changed". */
const MANY_CHANGES = 200

/** Reads the index on every question; nothing is kept. */
export function createVmDirectory(index: Index): NodeVmDirectory {
  const concerns = (uuid: VmUuid, node: NodeName): boolean => {
    const keys = tree.vm(uuid)
    if (index.get(keys.status)?.value.run?.node === node) return true
    const document = index.get(keys.spec)?.value
    return isVmSpec(document) && document.node === node
  }
  const uuids = (): VmUuid[] => index.children(tree.vms.path).flatMap((name) => uuidOf(name) ?? [])
  return {
    concerns,
    vmsOf: (node) => uuids().filter((uuid) => concerns(uuid, node)),
    onChange: (listener) =>
      index.onChange((changes) => {
        const changed = new Set([...changes.keys()].flatMap((path) => vmOfPath(path) ?? []))
        if (changed.size > MANY_CHANGES) listener(undefined)
        else for (const uuid of changed) listener(uuid)
      }),
    promised(node, running) {
      let memoryMiB = 0
      let vcpus = 0
      for (const uuid of uuids()) {
        const keys = tree.vm(uuid)
        if (index.get(keys.status)?.value.run?.node !== node || running.has(uuid)) continue
        const document = index.get(keys.spec)?.value
        if (!isVmSpec(document)) continue
        memoryMiB += document.memoryMiB
        vcpus += document.vcpus
      }
      return { memoryMiB, vcpus }
    },
  }
}

function uuidOf(name: string): VmUuid | undefined {
  const result = VmUuid.safeParse(name)
  return result.success ? result.data : undefined
}

/** The VM a path of the tree belongs to: its document, or one below it. */
function vmOfPath(path: string): VmUuid | undefined {
  const prefix = `${tree.vms.path}/`
  return path.startsWith(prefix) ? uuidOf(path.slice(prefix.length).split('/')[0] ?? '') : undefined
}
