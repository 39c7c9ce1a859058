import type { NodeFence, nodeFenceRoutes } from '../../contract/node-fence.ts'
import { daemonState } from '../../model/compat-node.ts'
import { PvcError } from '../../model/errors.ts'
import type { Evidence } from '../../model/fence.ts'
import { confirmFence, type FenceFacts, orderFence, readFence } from '../../operations/node-fence.ts'
import type { Handlers } from '../handler.ts'

function shown({ node, journal, pending }: FenceFacts): NodeFence {
  const { state, seq, openedAt, orderedBy, stuck, evidence, victims, events } = journal
  return {
    node: node.spec.name,
    daemon_state: daemonState(node),
    state,
    seq,
    opened_at: openedAt === 0 ? null : openedAt,
    ordered_by: orderedBy,
    stuck,
    acknowledged: seq > 0 && node.status?.ack === seq,
    pending_order: pending?.kind ?? '',
    evidence: evidence.map((each) => ({ kind: each.kind, text: evidenceText(each), at: each.at })),
    victims: victims.map(({ uuid, name, state, target, reason, afterMs }) => ({
      uuid: uuid as string,
      name,
      state,
      target: target ?? '',
      reason,
      after_s: afterMs / 1000,
    })),
    events: events.map(({ afterMs, at, step, text }) => ({ after_s: afterMs / 1000, at, step, text })),
  }
}

/** What proves that a life is over, in words. */
function evidenceText(evidence: Evidence): string {
  switch (evidence.kind) {
    case 'blocklist':
      return `Ceph shuts out ${evidence.addresses.join(', ')}`
    case 'osd-map':
      return `every OSD knows of it (map ${evidence.osdEpoch})`
    case 'power-off':
      return `power is off (${evidence.method})`
    case 'self-fence':
      return `its guard must have ended every guest after ${Math.round(evidence.waitedMs / 1000)} s`
    case 'reboot':
      return 'it has rebooted'
    case 'operator':
      return `${evidence.by} looked at the machine`
    case 'no-ceph':
      return 'Ceph cannot be written by anybody'
  }
}

/** The API does nothing irreversible by mistake: the argument says that the caller knows what it means. */
function requireYes(isGiven: boolean, meaning: string): void {
  if (!isGiven) throw new PvcError('PVC_STATE_REFUSED', `Nothing was done. ${meaning} Say so with yes=true`)
}

export const nodeFenceHandlers = {
  nodeFenceStatus: async ({ deps }, { node }) => shown(await readFence(deps, node)),
  nodeFence: async ({ deps, principal }, { node, yes }) => {
    requireYes(yes, `Fencing node '${node}' ends its guests by force and starts them elsewhere.`)
    const seq = await orderFence(deps, node, principal.who)
    return { message: `Fencing node ${node}.`, seq }
  },
  nodeFenceConfirm: async ({ deps, principal }, { node, yes, seq: expected }) => {
    requireYes(
      yes,
      `You would vouch that node '${node}' is off, or all its network cables are out, and that it stays so until its VMs run elsewhere: if it is not, disks are destroyed.`,
    )
    const seq = await confirmFence(deps, node, principal.who, expected)
    return { message: `Confirmed that node ${node} is off or cut off.`, seq }
  },
} satisfies Pick<Handlers, keyof typeof nodeFenceRoutes>
