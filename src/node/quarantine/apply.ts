import { unreachable } from '../../base/assert.ts'
import { errorChain } from '../../model/errors.ts'
import type { LifeId, NodeName } from '../../model/ids.ts'
import type { NodeSpec } from '../../model/node.ts'
import type { NodeFiles } from '../../ports/files.ts'
import type { Host } from '../../ports/host.ts'
import type { Hypervisor } from '../../ports/hypervisor.ts'
import type { Log } from '../../ports/log.ts'
import type { StoreSession } from '../../ports/store.ts'
import { tree } from '../../schema/tree.ts'
import type { RemainsPorts } from './observe.ts'
import type { OwnBlocklistWatch } from './own-blocklist.ts'
import type { QuarantineAction, QuarantineSnapshot, Remains } from './snapshot.ts'

export type QuarantinePorts = RemainsPorts & {
  readonly self: NodeName
  readonly files: Pick<
    NodeFiles,
    'permits' | 'incomings' | 'qemuProcesses' | 'removePermit' | 'removeIncoming' | 'killQemu'
  >
  readonly hypervisor: Pick<Hypervisor, 'list' | 'outstandingCreates' | 'destroy' | 'undefine'>
  readonly host: Pick<Host, 'reboot'>
  readonly blocklist: OwnBlocklistWatch
  readonly log: Log
}

/** What the quarantine changes of its own daemon. */
export type QuarantineHold = {
  begin(reason: string): void
  acknowledge(seq: number): void
  beginNewLife(): Promise<LifeId>
  leave(): void
}

/** Does one step; each may be repeated. */
export async function applyQuarantine(
  session: StoreSession,
  ports: QuarantinePorts,
  hold: QuarantineHold,
  snapshot: QuarantineSnapshot,
  action: QuarantineAction,
): Promise<void> {
  switch (action.kind) {
    case 'begin':
      return hold.begin('it is in quarantine')
    case 'purge':
      return purge(ports, snapshot.remains, action.isKill)
    case 'reboot':
      ports.log.fatal({ remains: snapshot.remains }, 'what runs here does not end: this machine is rebooted')
      return ports.host.reboot(action.reason)
    case 'lift':
      return ports.blocklist.lift()
    case 'acknowledge':
      return hold.acknowledge(action.seq)
    case 'settle':
      return settle(session, ports.self, action.wanted)
    case 'new-life':
      await hold.beginNewLife()
      return
    case 'leave':
      return hold.leave()
    default:
      return unreachable(action)
  }
}

/** Permits first, so that nothing starts behind our back; then everything at once. What fails is tried again. */
async function purge(ports: QuarantinePorts, remains: Remains, isKill: boolean): Promise<void> {
  const { files, hypervisor, log } = ports
  await Promise.all(remains.permits.map((uuid) => files.removePermit(uuid)))
  await Promise.all(remains.incomings.map((uuid) => files.removeIncoming(uuid)))
  const { libvirtProblem, domains, processes } = remains
  const listed = new Set(domains.map(({ uuid }) => uuid))
  const ends = domains.map(({ uuid, isActive }) => (isActive ? hypervisor.destroy(uuid) : hypervisor.undefine(uuid)))
  const kills = processes
    .filter(({ uuid }) => isKill || (libvirtProblem === '' && !listed.has(uuid)))
    .map(({ uuid, pid }) => files.killQemu(uuid, pid))
  for (const result of await Promise.allSettled([...ends, ...kills])) {
    if (result.status === 'rejected') log.warn({ error: errorChain(result.reason) }, 'a guest could not be ended yet')
  }
}

/** The node answers a wish only once, so this is a new one. */
async function settle(session: StoreSession, self: NodeName, wanted: NodeSpec['wanted']): Promise<void> {
  const key = tree.node(self).spec
  const spec = await session.get(key)
  if (spec === undefined) return
  const { generation, wish } = spec.value
  await session.set(key, { ...spec.value, wanted, generation: generation + 1, wish: wish + 1 }, spec.version)
}
