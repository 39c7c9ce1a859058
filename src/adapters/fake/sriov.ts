import type { FunctionSlot } from '../../model/sriov.ts'
import type { SriovCards } from '../../ports/sriov.ts'

/** Cards in memory. */
export class FakeSriovCards implements SriovCards {
  readonly cards = new Map<string, { readonly possible: number; readonly slots: readonly FunctionSlot[] }>()

  async slots(pf: string) {
    return this.cards.get(pf)
  }

  async create(pf: string, count: number): Promise<void> {
    const card = this.cards.get(pf)
    const slots = Array.from({ length: count }, (_, index) => ({
      index,
      pci: `0000:06:10.${index}`,
      device: `${pf}v${index}`,
    }))
    if (card !== undefined) this.cards.set(pf, { ...card, slots })
  }
}
