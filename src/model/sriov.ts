/** SR-IOV: network cards (physical functions, PFs) that show parts of themselves (virtual functions, VFs) to be given to guests. */
import { z } from 'zod'

/** How a VF is set up. */
export const VfConfig = z.object({
  /** 0: none, the guest's own tags pass. */
  vlanId: z.number().int().min(0).max(4094),
  /** Priority of its frames in that VLAN, 0 to 7. */
  vlanQos: z.number().int().min(0).max(7),
  /** Mbit/s that it may send at least and at most; 0: no limit. */
  txRateMinMbit: z.number().int().nonnegative(),
  txRateMaxMbit: z.number().int().nonnegative(),
  linkState: z.enum(['auto', 'enable', 'disable']),
  /** The card drops what the guest sends with another MAC than its own. */
  spoofCheck: z.boolean(),
  /** The guest may change its MAC and ask for all frames. */
  trust: z.boolean(),
  /** The guest may read how the card spreads its frames over queues. */
  queryRss: z.boolean(),
})
export type VfConfig = z.infer<typeof VfConfig>

/** A VF that nobody has set up. */
export const VF_DEFAULTS: VfConfig = {
  vlanId: 0,
  vlanQos: 0,
  txRateMinMbit: 0,
  txRateMaxMbit: 0,
  linkState: 'auto',
  spoofCheck: true,
  trust: false,
  queryRss: false,
}

/** A PCI address, in hexadecimal digits: `0000:06:10.0`. */
export const PCI_ADDRESS = /^([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/

/** A VF as the kernel lists it below its PF. */
export type FunctionSlot = {
  readonly index: number
  /** PCI address, such as `0000:06:10.0`. */
  readonly pci: string
  /** Its device; undefined: it has none, as while a guest has it. */
  readonly device: string | undefined
}

/** A VF as its node sees it. */
export const VirtualFunction = z.object({
  index: z.number().int().nonnegative(),
  /** Name of its device; while a guest has it there is none, and it has the name that udev gives. */
  name: z.string(),
  mac: z.string(),
  mtu: z.number().int().nonnegative(),
  pci: z.string().regex(PCI_ADDRESS),
  /** As the card has it now; what its driver does not tell is missing. */
  actual: VfConfig.partial(),
})
export type VirtualFunction = z.infer<typeof VirtualFunction>

/** A PF with its VFs, by number. */
export const PhysicalFunction = z.object({ name: z.string(), mtu: z.number().int(), vfs: z.array(VirtualFunction) })
export type PhysicalFunction = z.infer<typeof PhysicalFunction>

/** PFs of a node with VFs. Writer: the node, on change. */
export const NodeSriov = z.object({ pfs: z.array(PhysicalFunction) })
export type NodeSriov = z.infer<typeof NodeSriov>

/** How VFs of a node are to be set up, by {@link vfKey}; those that are not named are left as they are. Writer: the API. */
export const SriovWish = z.object({ generation: z.number().int().nonnegative(), vfs: z.record(z.string(), VfConfig) })
export type SriovWish = z.infer<typeof SriovWish>

/** Names a VF for good: its device has a name only while no guest has it. */
export function vfKey(pf: string, index: number): string {
  return `${pf}/${index}`
}

/** What must not be, as the API's argument and the rest of a sentence. */
export function vfProblem(config: VfConfig): { readonly argument: string; readonly text: string } | undefined {
  const { vlanId, vlanQos, txRateMinMbit, txRateMaxMbit } = config
  if (vlanQos > 0 && vlanId === 0) return { argument: 'vlan_qos', text: 'needs a vlan_id other than 0' }
  if (txRateMaxMbit > 0 && txRateMinMbit > txRateMaxMbit)
    return { argument: 'tx_rate_min', text: 'must not be more than tx_rate_max' }
  return undefined
}

/** How a VF is as far as its card tells, and as nobody has set it up otherwise. */
export function shownConfig(actual: VirtualFunction['actual']): VfConfig {
  return VfConfig.parse({ ...VF_DEFAULTS, ...actual })
}

/** A VF that is used by a definition: a card passed through by `<sriov_device>`, or a macvtap upon it. */
export function usedFunction({ vni }: { readonly vni: string }): string | undefined {
  return /^(?:hostdev|macvtap):(.+)$/.exec(vni)?.[1]
}
