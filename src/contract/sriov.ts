import { z } from 'zod'
import { optionalFlag, optionalInteger, optionalText, optionalWord, requiredText } from './argument.ts'
import { defineRoute, Message } from './route.ts'

/** A network card with virtual functions. */
export const SriovPf = z.object({
  phy: z.string(),
  /** A number as text, as older clients expect. */
  mtu: z.string(),
  /** Names of its virtual functions. */
  vfs: z.array(z.string()),
})
export type SriovPf = z.infer<typeof SriovPf>

/** A virtual function. Numbers and flags (`True`, `False`) are texts, as older clients expect. */
export const SriovVf = z.object({
  phy: z.string(),
  pf: z.string(),
  /** Added in 2.0. */
  node: z.string().optional(),
  mtu: z.string(),
  mac: z.string(),
  config: z.object({
    vlan_id: z.string(),
    vlan_qos: z.string(),
    /** Mbit/s; `0`: no limit. */
    tx_rate_min: z.string(),
    tx_rate_max: z.string(),
    /** `auto`, `enable` or `disable`. */
    link_state: z.string(),
    spoof_check: z.string(),
    trust: z.string(),
    query_rss: z.string(),
  }),
  /** Parts of its PCI address, in hexadecimal. */
  pci: z.object({ domain: z.string(), bus: z.string(), slot: z.string(), function: z.string() }),
  /** `domain`: name of the VM whose definition names it; empty: none. */
  usage: z.object({ used: z.string(), domain: z.string() }),
})
export type SriovVf = z.infer<typeof SriovVf>

const ByNode = z.object({ node: requiredText })
const ByVf = ByNode.extend({ vf: requiredText })
const rate = optionalInteger(0, 1_000_000)
const NOT_FOUND = ['PVC_OBJECT_NOT_FOUND'] as const
const vfList = {
  summary: 'Virtual functions of a node, or of one of its cards.',
  output: z.array(SriovVf),
  errors: NOT_FOUND,
}
const pfList = {
  summary: 'Network cards of a node with virtual functions.',
  output: z.array(SriovPf),
  errors: NOT_FOUND,
}

export const sriovRoutes = {
  sriovPfList: defineRoute('sriovPfList', { ...pfList, input: ByNode }),
  sriovPfListOfNode: defineRoute('sriovPfListOfNode', { ...pfList, input: ByNode }),
  sriovVfList: defineRoute('sriovVfList', { ...vfList, input: ByNode.extend({ pf: optionalText }) }),
  sriovVfListOfNode: defineRoute('sriovVfListOfNode', { ...vfList, input: ByNode.extend({ pf: optionalText }) }),
  sriovVfInfo: defineRoute('sriovVfInfo', {
    summary: 'One virtual function of a node (a list of one).',
    input: ByVf,
    output: z.array(SriovVf),
    errors: NOT_FOUND,
  }),
  sriovVfSet: defineRoute('sriovVfSet', {
    summary: 'Changes what is given of a virtual function.',
    input: ByVf.extend({
      vlan_id: optionalInteger(0, 4094),
      vlan_qos: optionalInteger(0, 7),
      tx_rate_min: rate,
      tx_rate_max: rate,
      link_state: optionalWord(['auto', 'enable', 'disable']),
      spoof_check: optionalFlag,
      trust: optionalFlag,
      query_rss: optionalFlag,
    }),
    output: Message,
    errors: [...NOT_FOUND, 'PVC_OBJECT_CONFLICT'],
  }),
} as const
