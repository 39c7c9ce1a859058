import { isVmSpec, type VmDocument, type VmStatus } from '../../model/domain.ts'
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
}

type Subject = {
  readonly ports: DomainPorts
  readonly certificate: Certificate
  readonly uuid: VmUuid
  readonly look: MoveLook
}

/** Reads what a move needs; nothing more than the incoming file where no move can be under way. */
export async function observeMove(
  { ports, certificate, uuid, look }: Subject,
  spec: VmDocument | undefined,
  status: VmStatus | undefined,
  domain: LocalDomain | undefined,
  incoming: string | undefined,
): Promise<MoveObservation> {
  const migration = status?.migration ?? null
  const isSource = domain !== undefined && status?.run?.node === ports.self
  const isLeaving = isSource && isVmSpec(spec) && spec.node !== ports.self && spec.power === 'on'
  const [target, arrival, job] = await Promise.all([
    isLeaving ? readTarget(certificate, spec.node) : undefined,
    migration === null && incoming === undefined ? undefined : certificate.session.get(tree.vm(uuid).arrival),
    isSource && migration?.step === 'copy' && !domain.isSwitched ? ports.hypervisor.migrationProgress(uuid) : undefined,
  ])
  const { copyCall, isResumedSinceSwitch } = look
  return { target, arrival: arrival?.value, incoming, job, copyCall, isResumedSinceSwitch }
}

async function readTarget({ session }: Certificate, node: NodeName): Promise<MoveTarget | undefined> {
  const keys = tree.node(node)
  const [status, alive] = await Promise.all([session.get(keys.status), session.get(keys.alive)])
  if (status === undefined) return undefined
  const { life, daemon, certified } = status.value
  return { life, isUp: daemon === 'run' && certified && alive?.value.life === life }
}
