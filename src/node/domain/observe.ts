import { isVmSpec, type VmDocument, type VmStatus } from '../../model/domain.ts'
import type { VmUuid } from '../../model/ids.ts'
import type { DomainInfo } from '../../ports/hypervisor.ts'
import type { Versioned } from '../../ports/store.ts'
import { tree } from '../../schema/tree.ts'
import type { VmMemory } from './memory.ts'
import type { HigherSeq, LocalDomain, VmObservation } from './observation.ts'
import { type MoveLook, observeMove } from './observe-move.ts'
import type { Certificate, DomainPorts } from './ports.ts'

/** An observation, and the version of the status it was made from. */
export type Observed = {
  readonly observation: VmObservation
  readonly status: Versioned<VmStatus> | undefined
}

const INACTIVE: ReadonlySet<DomainInfo['state']> = new Set(['shutoff', 'crashed', 'nostate'])

/** Reasons of a paused copy that is still on its way. */
const COPYING: ReadonlySet<string> = new Set(['migration', 'starting-up'])

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
  look: MoveLook,
): Promise<Observed> {
  const keys = tree.vm(uuid)
  // libvirt answers nothing about a domain whose migration it is finishing, and the guest stands still meanwhile.
  const isKnown = look.isSwitched || look.arrived !== undefined
  const [spec, status, domain, permit, incoming, arrival] = await Promise.all([
    certificate.session.get(keys.spec),
    certificate.session.get(keys.status),
    isKnown ? undefined : ports.hypervisor.get(uuid),
    ports.files.permit(uuid),
    ports.files.incoming(uuid),
    look.isMoving ? certificate.session.get(keys.arrival) : undefined,
  ])
  const isHere = status?.value.run?.node === ports.self || permit !== undefined || incoming !== undefined
  const seen = look.arrived ?? (domain && localDomain(domain))
  const local = look.isSwitched ? switchedDomain(certificate, status?.value) : seen
  const isDoubtful = local === undefined ? isHere : local.isSwitched
  const qemuPid = isDoubtful ? await findQemu(ports, uuid, look) : undefined
  const document = spec?.value
  const read = { spec: document, status: status?.value, domain: local, incoming, arrival: arrival?.value }
  const move = await observeMove({ ports, certificate, uuid, look }, read)
  const observation: VmObservation = {
    uuid,
    self: ports.self,
    life: certificate.life,
    nowMs: ports.clock.nowMs(),
    wallMs: ports.clock.wallMs(),
    spec: document,
    status: status?.value,
    domain: local,
    move,
    isCreateOutstanding: ports.hypervisor.outstandingCreates().has(uuid),
    qemuPid,
    permit,
    higherSeq:
      local === undefined && status && mayStart(ports, document)
        ? await higherSeq(ports, certificate, uuid, status)
        : undefined,
    isSeqTrusted: status === undefined || ports.seqs.check(uuid, status.value.seq),
    shutdownTimeoutMs: (isVmSpec(document) ? document.meta.shutdownTimeoutMs : undefined) ?? ports.shutdownTimeoutMs,
    createTimeoutMs: ports.createTimeoutMs,
    memory,
  }
  return { observation, status }
}

/** Looking through /proc is only worth its cost where a QEMU could be left and is not known. */
async function findQemu({ files }: DomainPorts, uuid: VmUuid, look: MoveLook): Promise<number | undefined> {
  const known = look.isSwitched ? look.qemuPid : undefined
  return known ?? (await files.qemuProcesses()).get(uuid)
}

function mayStart({ self }: DomainPorts, spec: VmDocument | undefined): boolean {
  return isVmSpec(spec) && spec.power === 'on' && spec.node === self
}

/** Believed only when the record is still the same: another node may just have changed it and said so. */
async function higherSeq(
  { foreignSeqs }: DomainPorts,
  { session }: Certificate,
  uuid: VmUuid,
  status: Versioned<VmStatus>,
): Promise<HigherSeq | undefined> {
  const found = await foreignSeqs.higher(session, uuid, status.value.seq)
  if (found === undefined) return undefined
  const now = await session.get(tree.vm(uuid).status)
  return now !== undefined && now.value.seq < found.seq ? found : undefined
}

/** Our own domain between the switch of its migration and its end. */
function switchedDomain({ life }: Certificate, status: VmStatus | undefined): LocalDomain {
  const facts = { isActive: true, isPaused: true, isStarting: false, reason: 'migration' }
  return { ...facts, isSwitched: true, isArrived: false, mark: { life, seq: status?.seq ?? 0 }, migrationId: undefined }
}

function localDomain(domain: DomainInfo): LocalDomain {
  return {
    isActive: !INACTIVE.has(domain.state),
    isPaused: domain.state === 'paused',
    isStarting: domain.state === 'paused' && domain.reason === 'starting-up',
    reason: domain.reason,
    isSwitched: domain.mark !== undefined && domain.state === 'paused' && domain.reason === 'migration',
    isArrived: domain.migrationId !== undefined && domain.state === 'paused' && !COPYING.has(domain.reason),
    mark: domain.mark,
    migrationId: domain.migrationId,
  }
}
