import { errorChain, hasCode } from '../../model/errors.ts'
import type { VmUuid } from '../../model/ids.ts'
import type { NodeFiles } from '../../ports/files.ts'
import type { DomainInfo, Hypervisor } from '../../ports/hypervisor.ts'
import type { StoreSession } from '../../ports/store.ts'
import { tree } from '../../schema/tree.ts'
import type { Remains } from './snapshot.ts'

const INACTIVE: ReadonlySet<DomainInfo['state']> = new Set(['shutoff', 'crashed', 'nostate'])

export type RemainsPorts = {
  readonly files: Pick<NodeFiles, 'permits' | 'incomings' | 'qemuProcesses'>
  readonly hypervisor: Pick<Hypervisor, 'list' | 'outstandingCreates'>
}

/** Looks at everything on this machine that runs a VM of this cluster, or could begin to. */
export async function observeRemains(session: StoreSession, { files, hypervisor }: RemainsPorts): Promise<Remains> {
  // Permits before everything else: what starts later than this look has none.
  const [permits, incomings] = await Promise.all([files.permits(), files.incomings()])
  const { domains, libvirtProblem } = await listDomains(hypervisor)
  const creates = [...hypervisor.outstandingCreates()]
  const processes = await files.qemuProcesses()
  const isOurs = await ownership(session, domains, new Set([...permits.keys(), ...incomings.keys(), ...creates]))
  const ours = [...processes].map(async ([uuid, pid]) => ((await isOurs(uuid)) ? [{ uuid, pid }] : []))
  const marked = domains.map(async ({ uuid, state }) =>
    (await isOurs(uuid)) ? [{ uuid, isActive: !INACTIVE.has(state) }] : [],
  )
  return {
    permits: [...permits.keys()],
    incomings: [...incomings.keys()],
    domains: (await Promise.all(marked)).flat(),
    creates,
    processes: (await Promise.all(ours)).flat(),
    libvirtProblem,
  }
}

async function listDomains(hypervisor: Pick<Hypervisor, 'list'>) {
  try {
    return { domains: await hypervisor.list(), libvirtProblem: '' }
  } catch (error) {
    if (!hasCode(error, 'PVC_HYPERVISOR_UNAVAILABLE', 'PVC_HYPERVISOR_TIMEOUT', 'PVC_HYPERVISOR_FAILED')) throw error
    return { domains: [], libvirtProblem: errorChain(error) }
  }
}

/**
 * Whose a guest is: ours when it carries our mark, or the cluster defines or remembers its UUID. A stranger's was here
 * before PVC was, and destroying it would protect nothing (docs/decisions/0005).
 */
async function ownership(session: StoreSession, domains: readonly DomainInfo[], known: ReadonlySet<VmUuid>) {
  const marked = domains.filter(({ mark, migrationId }) => mark !== undefined || migrationId !== undefined)
  const ours = new Set([...known, ...marked.map(({ uuid }) => uuid)])
  return async (uuid: VmUuid): Promise<boolean> => {
    if (ours.has(uuid)) return true
    const keys = tree.vm(uuid)
    const [spec, status] = await Promise.all([session.children(keys.spec.path), session.children(keys.status.path)])
    return spec !== undefined || status !== undefined
  }
}
