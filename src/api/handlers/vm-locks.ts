import type { vmLocksRoutes } from '../../contract/vm-locks.ts'
import { flushVmLocks } from '../../operations/vm-locks.ts'
import type { Handlers } from '../handler.ts'

export const vmLocksHandlers = {
  vmFlushLocks: async ({ deps }, { vm, force }) => {
    const { name, broken } = await flushVmLocks(deps, vm, force)
    const count = `${broken.length} lock${broken.length === 1 ? '' : 's'}`
    const message =
      broken.length === 0
        ? `No volume of VM '${name}' is locked.`
        : `Broke ${count} on the volumes of VM '${name}' and shut the clients out of Ceph.`
    return { message, locks: broken.map(({ volume, lock, owner }) => ({ volume, client: lock.address, node: owner })) }
  },
} satisfies Pick<Handlers, keyof typeof vmLocksRoutes>
