import type { Forwarding, ForwardingEntry } from '../../ports/forwarding.ts'

/** Forwarding entries in memory. */
export class FakeForwarding implements Forwarding {
  entries: readonly ForwardingEntry[] = []

  async list(): Promise<readonly ForwardingEntry[]> {
    return this.entries
  }

  async set(entries: readonly ForwardingEntry[]): Promise<void> {
    await this.remove(entries)
    this.entries = [...this.entries, ...entries]
  }

  async remove(entries: readonly ForwardingEntry[]): Promise<void> {
    const isNamed = (entry: ForwardingEntry): boolean =>
      entries.some(({ mac, device }) => mac === entry.mac && device === entry.device)
    this.entries = this.entries.filter((entry) => !isNamed(entry))
  }
}
