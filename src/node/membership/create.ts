import type { NodeDeps } from '../deps.ts'
import type { FaultBoard } from '../faults.ts'
import type { SeqKeeper } from '../keepalive/seq-guard.ts'
import { Membership } from './membership.ts'

/** The membership of this machine, under the name and in the role that its configuration gives it. */
export async function createMembership(deps: NodeDeps, faults: FaultBoard, seqs: SeqKeeper): Promise<Membership> {
  const { config, store, files, host, clock, log, newUuid } = deps
  const self = config.node.name
  return new Membership({
    registration: {
      self,
      mode: config.cluster.coordinators.includes(self) ? 'coordinator' : 'hypervisor',
      clusterName: config.cluster.name,
      shutdownTimeoutMs: config.vm.shutdownTimeoutMs,
    },
    machineId: await host.machineId(),
    store,
    files,
    clock,
    log: log.child({ component: 'membership' }),
    faults,
    newUuid,
    onFirstSession: (published) => seqs.adopt(published.seqs),
  })
}
