import { isVmSpec, type VmStatus } from '../../model/domain.ts'
import type { VmUuid } from '../../model/ids.ts'
import type { DomainInfo } from '../../ports/hypervisor.ts'
import type { Versioned } from '../../ports/store.ts'
import { tree } from '../../schema/tree.ts'
import type { VmMemory } from './memory.ts'
import type { LocalDomain, VmObservation } from './observation.ts'
import type { Certificate, DomainPorts } from './ports.ts'

/** An observation, and the version of the status it was made from. */
export type Observed = {
  readonly observation: VmObservation
  readonly status: Versioned<VmStatus> | undefined
}

const INACTIVE: ReadonlySet<DomainInfo['state']> = new Set(['shutoff', 'crashed', 'nostate'])

/**
 * Reads everything about one VM: spec and status from the store itself, in the certified session, and what libvirt and
 * /proc show here.
 * @throws PvcError PVC_STORE_*, PVC_HYPERVISOR_*
 */
export async function observeVm(
  ports: DomainPorts,
  certificate: Certificate,
  uuid: VmUuid,
  memory: VmMemory,
): Promise<Observed> {
  const keys = tree.vm(uuid)
  const [spec, status, domain, permit] = await Promise.all([
    certificate.session.get(keys.spec),
    certificate.session.get(keys.status),
    ports.hypervisor.get(uuid),
    ports.files.permit(uuid),
  ])
  const isHere = status?.value.run?.node === ports.self || permit !== undefined
  // Looking through /proc is only worth its cost where a QEMU could be left.
  const qemuPid = domain === undefined && isHere ? (await ports.files.qemuProcesses()).get(uuid) : undefined
  const document = spec?.value
  const observation: VmObservation = {
    uuid,
    self: ports.self,
    life: certificate.life,
    nowMs: ports.clock.nowMs(),
    wallMs: ports.clock.wallMs(),
    spec: document,
    status: status?.value,
    domain: domain && localDomain(domain),
    isCreateOutstanding: ports.hypervisor.outstandingCreates().has(uuid),
    qemuPid,
    permit,
    isSeqTrusted: status === undefined || ports.seqs.check(uuid, status.value.seq),
    shutdownTimeoutMs: (isVmSpec(document) ? document.meta.shutdownTimeoutMs : undefined) ?? ports.shutdownTimeoutMs,
    createTimeoutMs: ports.createTimeoutMs,
    memory,
  }
  return { observation, status }
}

function localDomain(domain: DomainInfo): LocalDomain {
  return {
    isActive: !INACTIVE.has(domain.state),
    isPaused: domain.state === 'paused',
    isStarting: domain.state === 'paused' && domain.reason === 'starting-up',
    reason: domain.reason,
    mark: domain.mark,
    migrationId: domain.migrationId,
  }
}
