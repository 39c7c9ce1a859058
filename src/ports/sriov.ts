import type { FunctionSlot } from '../model/sriov.ts'

/** Which VFs the cards of this machine have. How they are set up is part of their PF's link. @throws PVC_NETWORK_FAILED */
export type SriovCards = {
  /** VFs of a PF by number; undefined: it is no device that can have any. */
  slots(pf: string): Promise<{ readonly possible: number; readonly slots: readonly FunctionSlot[] } | undefined>
  /** Makes so many VFs of a PF that has none: the kernel changes no other number without removing all. */
  create(pf: string, count: number): Promise<void>
}
