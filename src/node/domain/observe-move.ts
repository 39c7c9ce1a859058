import { isVmSpec, type Migration, type VmArrival, type VmDocument, type VmStatus } from '../../model/domain.ts'
import { errorChain } from '../../model/errors.ts'
import { type GuestCpu, guestCpu } from '../../model/guest-cpu.ts'
import type { NodeName, VmUuid } from '../../model/ids.ts'
import { tree } from '../../schema/tree.ts'
import type { CopyCall, LocalDomain, MoveObservation, MoveTarget } from './observation.ts'
import type { Certificate, DomainPorts } from './ports.ts'

/** What the reconciler itself knows of a move: its own call, and libvirt's events since. */
export type MoveLook = {
  readonly copyCall: CopyCall | undefined
  readonly isResumedSinceSwitch: boolean
  /** By libvirt's word the guest stands still here for the switch of our copy. */
  readonly isSwitched: boolean
  /** QEMU that our copy leaves, as it was found when the copy began. */
  readonly qemuPid: number | undefined
  /** What the target said directly about its copy; the store may not have it yet. */
  readonly told: VmArrival | undefined
  /** A complete copy that was seen here a moment ago, and of which libvirt has said nothing since. */
  readonly arrived: LocalDomain | undefined
  /** The last look showed a move under way. */
  readonly isMoving: boolean
}

type Subject = {
  readonly ports: DomainPorts
  readonly certificate: Certificate
  readonly uuid: VmUuid
  readonly look: MoveLook
}

/** What was read of the VM before. `arrival`: only where the last look showed a move. */
type Read = {
  readonly spec: VmDocument | undefined
  readonly status: VmStatus | undefined
  readonly domain: LocalDomain | undefined
  readonly incoming: string | undefined
  readonly arrival: VmArrival | undefined
}

/** Reads what a move needs; nothing more than the incoming file where no move can be under way. */
export async function observeMove(
  { ports, certificate, uuid, look }: Subject,
  { spec, status, domain, incoming, arrival }: Read,
): Promise<MoveObservation> {
  const migration = status?.migration ?? null
  const { copyCall, isResumedSinceSwitch, isMoving } = look
  const isMove = migration !== null || incoming !== undefined
  const isSource = domain !== undefined && status?.run?.node === ports.self
  // From the switch on nothing depends on target and job, and the guest stands still.
  const isStaying = isSource && !domain.isSwitched
  const isLeaving = isStaying && isVmSpec(spec) && spec.node !== ports.self && spec.power === 'on'
  const [target, found, job, cpu, cpuProblem, isMigratedAway] = await Promise.all([
    isLeaving ? readTarget(certificate, spec.node) : undefined,
    isMove && !isMoving ? certificate.session.get(tree.vm(uuid).arrival) : undefined,
    isStaying && migration?.step === 'copy' ? ports.hypervisor.migrationProgress(uuid) : undefined,
    isLeaving && migration === null ? readCpu(ports, uuid) : undefined,
    isNewHere(ports, migration, incoming) ? ports.hypervisor.cpuProblem(migration.cpu) : undefined,
    domain === undefined && copyCall?.id !== migration?.id ? wasMigrated(ports, spec, migration) : false,
  ])
  const said = isMove ? (arrival ?? found?.value) : undefined
  const heard = latestArrival(look.told, said, migration)
  const heardOf = { target, arrival: heard, incoming, job, copyCall, cpu, cpuProblem }
  return { ...heardOf, isResumedSinceSwitch, isMigratedAway }
}

/** What libvirt wrote down about an earlier copy of the same VM does not count. A log that cannot be read proves nothing. */
async function wasMigrated(
  { files, self, log }: DomainPorts,
  spec: VmDocument | undefined,
  migration: Migration | null,
): Promise<boolean> {
  if (!isVmSpec(spec) || migration?.step !== 'copy' || migration.from.node !== self) return false
  try {
    const end = await files.latestEnd(spec.name)
    return end?.reason === 'migrated' && end.atWallMs >= migration.startedAt
  } catch (error) {
    log.warn({ error: errorChain(error) }, 'the log that libvirt keeps of the domain cannot be read')
    return false
  }
}

async function readCpu({ hypervisor }: DomainPorts, uuid: VmUuid): Promise<GuestCpu | undefined> {
  const xml = await hypervisor.xml(uuid)
  return xml === undefined ? undefined : guestCpu(xml)
}

/** A copy is announced here whose processor was not looked at yet. */
function isNewHere(
  { self }: DomainPorts,
  migration: Migration | null,
  incoming: string | undefined,
): migration is Migration & { cpu: GuestCpu } {
  return migration?.cpu !== undefined && migration.to.node === self && migration.id !== incoming
}

/** A later word outranks an earlier one; what the target gave up or refused is never taken back for the same copy. */
const RANK = { prepared: 0, complete: 1, refused: 2, gone: 2 } as const satisfies Record<VmArrival['state'], number>

/** The later of what the target said directly, where it is about this very migration, and of what the store has. */
export function latestArrival(
  told: VmArrival | undefined,
  stored: VmArrival | undefined,
  migration: Migration | null,
): VmArrival | undefined {
  if (told === undefined || told.migrationId !== migration?.id) return stored
  if (told.node !== migration.to.node || told.life !== migration.to.life) return stored
  const isStoredLater = stored?.migrationId === told.migrationId && RANK[stored.state] >= RANK[told.state]
  return isStoredLater ? stored : told
}

async function readTarget({ session }: Certificate, node: NodeName): Promise<MoveTarget | undefined> {
  const keys = tree.node(node)
  const [status, alive] = await Promise.all([session.get(keys.status), session.get(keys.alive)])
  if (status === undefined) return undefined
  const { life, daemon, certified } = status.value
  return { life, isUp: daemon === 'run' && certified && alive?.value.life === life }
}
