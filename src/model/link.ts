/** Network devices of a node, and what turns them into what is wanted. */
import type { VfConfig } from './sriov.ts'

/** A network device as the kernel shows it. */
export type Link = {
  readonly name: string
  /** The kernel's number of it; a device that is made anew has another one. */
  readonly index: number
  /** `bridge`, `vxlan`, `vlan`, `veth` …; undefined: hardware. */
  readonly kind: string | undefined
  readonly mac: string
  readonly mtu: number
  readonly isUp: boolean
  /** Bridge it is a port of. */
  readonly master: string | undefined
  /** Whether its bridge learns from it who is behind it; undefined: it is in no bridge. */
  readonly learning?: boolean | undefined
  /** Note on the device; ours carry {@link OUR_ALIAS}. */
  readonly alias: string
  /** Virtual functions of a card that has some; undefined: it cannot have any, or has none. */
  readonly vfs?: readonly LinkVf[] | undefined
  /** Number of a VXLAN or VLAN, and the device below. */
  readonly tag:
    | { readonly id: number; readonly device: string | undefined; readonly local: string | undefined }
    | undefined
}

/** A virtual function as its card shows it; what the driver does not tell is missing. */
export type LinkVf = { readonly index: number; readonly mac: string; readonly config: Partial<VfConfig> }

/** Begins the alias of every device that we made or adopted; only these are ever removed. */
export const OUR_ALIAS = 'pvc network '

/** One change of a device. They are carried out in order; one that fails does not stop the others. */
export type LinkChange =
  | { readonly kind: 'add-bridge'; readonly name: string; readonly mac: string }
  | {
      readonly kind: 'add-vxlan'
      readonly name: string
      readonly id: number
      readonly device: string
      readonly local: string
    }
  | { readonly kind: 'add-vlan'; readonly name: string; readonly id: number; readonly device: string }
  | { readonly kind: 'set'; readonly name: string; readonly to: LinkState }
  | {
      readonly kind: 'set-vf'
      /** The card. */
      readonly name: string
      readonly index: number
      readonly to: Partial<VfConfig>
    }
  | { readonly kind: 'remove'; readonly name: string }

/** What of a device is to be changed. */
export type LinkState = {
  readonly mac?: string
  readonly mtu?: number
  readonly isUp?: true
  readonly master?: string
  /** Of a port of a bridge. */
  readonly learning?: boolean
  readonly alias?: string
}

/** A kernel setting below /proc/sys that is kept. */
export type KernelSetting = {
  readonly key: string
  readonly value: string
  /** It belongs to a part of the kernel that need not be loaded. */
  readonly mayBeAbsent?: true
}
