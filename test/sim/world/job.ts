/**
 * A job that writes the volume of a VM that is off: it holds the VM's run record while it works, as every job has to (protocol
 * C19). The simulated one does what a worker and its node would do together.
 */
import type { FakeCephClient } from '../../../src/adapters/fake/ceph-image.ts'
import type { Cluster, SimVm } from './cluster.ts'
import type { SimHost } from './host.ts'

const WRITE_EVERY_MS = 300

/** Works for `ms` on the volume of a VM at the node the VM is on; does nothing when somebody holds the VM. */
export async function runJob(cluster: Cluster, vm: SimVm, ms: number): Promise<void> {
  const held = await cluster.api.holdForJob(vm.uuid)
  const host = cluster.hosts.find(({ name }) => name === held?.node)
  const image = cluster.ceph.image(vm.volume)
  if (held === undefined || host === undefined || image === undefined) return
  const client = cluster.ceph.connect(host.storageAddress)
  client.open(image)
  const endMs = cluster.engine.nowMs + ms
  const work = (): void => {
    if (!isAlive(host, client)) return
    if (cluster.engine.nowMs >= endMs) {
      client.close()
      void cluster.api.releaseFromJob(vm.uuid)
      return
    }
    cluster.ceph.guestWrite(image, client, { owner: 'job', seq: held.seq }, 0)
    cluster.engine.after(WRITE_EVERY_MS, 'a job writes', work)
  }
  work()
}

/** It ends with its machine, and then the fencer sees to the record. */
function isAlive({ isOn }: SimHost, client: FakeCephClient): boolean {
  if (!isOn) client.die()
  return isOn
}
