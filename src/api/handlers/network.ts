import type { networkRoutes } from '../../contract/network.ts'
import type { Handlers } from '../handler.ts'

export const networkHandlers = {
  // No virtual network can be made yet; the empty list lets older clients show their VMs.
  networkList: () => [],
} satisfies Pick<Handlers, keyof typeof networkRoutes>
