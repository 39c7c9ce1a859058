/** Cards of VMs on guest networks, read from their definitions. */
import { isVmSpec, type VmSpec } from '../model/domain.ts'
import { parseDomainXml } from '../model/domain-xml.ts'
import { hasCode } from '../model/errors.ts'
import { VmUuid } from '../model/ids.ts'
import { tree } from '../schema/tree.ts'
import type { Documents } from './networks.ts'

/** A card of a VM on a guest network. */
export type VmCard = { readonly vm: VmSpec; readonly vni: number; readonly mac: string }

type Known = { readonly generation: number; readonly cards: readonly VmCard[] }

/** Reads the cards of all VMs; a definition is read again only when it changed. */
export class CardReader {
  readonly #index: Documents
  #known = new Map<string, Known>()

  constructor(index: Documents) {
    this.#index = index
  }

  read(): readonly VmCard[] {
    const known = new Map<string, Known>()
    for (const name of this.#index.children(tree.vms.path)) {
      const uuid = VmUuid.safeParse(name)
      const vm = uuid.success ? this.#index.get(tree.vm(uuid.data).spec)?.value : undefined
      if (!isVmSpec(vm)) continue
      const before = this.#known.get(name)
      const { generation } = vm
      known.set(name, before?.generation === generation ? before : { generation, cards: cardsOf(vm) })
    }
    this.#known = known
    return [...known.values()].flatMap(({ cards }) => cards)
  }
}

/** Cards of a definition; of one that cannot be read, none. */
function cardsOf(vm: VmSpec): readonly VmCard[] {
  try {
    return parseDomainXml(vm.xml).networks.flatMap(({ vni, mac }) =>
      /^\d+$/.test(vni) ? [{ vm, vni: Number(vni), mac: mac.toLowerCase() }] : [],
    )
  } catch (error) {
    if (hasCode(error, 'PVC_XML_INVALID')) return []
    throw error
  }
}
