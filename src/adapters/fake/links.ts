import type { KernelSetting, Link, LinkChange } from '../../model/link.ts'
import type { LinkFailure, Links } from '../../ports/links.ts'

/** Network devices as the kernel keeps them, as far as networks need them. */
export class FakeLinks implements Links {
  /** Kernel settings, by key. */
  readonly settings = new Map<string, string>()
  readonly #links = new Map<string, Link>()
  readonly #listeners = new Set<() => void>()
  #lastIndex = 0

  /** Devices that are there already, up and with an MTU of 1500. */
  constructor(names: readonly string[] = []) {
    for (const name of names) this.plant(name)
  }

  /** Adds a device of somebody else. */
  plant(name: string, facts: Partial<Link> = {}): void {
    const bare = { kind: undefined, mac: '', mtu: 1500, isUp: true, master: undefined, alias: '', tag: undefined }
    this.#links.set(name, { ...bare, name, index: this.#number(), ...facts })
    this.#notify()
  }

  async list(): Promise<readonly Link[]> {
    return [...this.#links.values()]
  }

  async apply(changes: readonly LinkChange[]): Promise<readonly LinkFailure[]> {
    const failures = changes.flatMap((change) => {
      const reason = this.#change(change)
      return reason === undefined ? [] : [{ name: change.name, reason }]
    })
    if (changes.length > 0) this.#notify()
    return failures
  }

  async keep(settings: readonly KernelSetting[]): Promise<readonly LinkFailure[]> {
    for (const { key, value } of settings) this.settings.set(key, value)
    return []
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#listeners.clear()
  }

  /** @returns why it cannot be done */
  #change(change: LinkChange): string | undefined {
    const present = this.#links.get(change.name)
    if (change.kind !== 'set' && change.kind !== 'set-vf' && change.kind !== 'remove') {
      if (present !== undefined) return 'RTNETLINK answers: File exists'
      if ('device' in change && !this.#links.has(change.device)) return `Cannot find device "${change.device}"`
      this.#links.set(change.name, this.#made(change))
      return undefined
    }
    if (present === undefined) return `Cannot find device "${change.name}"`
    if (change.kind === 'remove') this.#remove(change.name)
    else if (change.kind === 'set-vf') this.#setVf(present, change)
    else if (change.to.master !== undefined && !this.#links.has(change.to.master)) return 'Device does not exist'
    else this.#links.set(change.name, { ...present, ...change.to })
    return undefined
  }

  #setVf(present: Link, { name, index, to }: Extract<LinkChange, { kind: 'set-vf' }>): void {
    const vfs = present.vfs?.map((vf) => (vf.index === index ? { ...vf, config: { ...vf.config, ...to } } : vf))
    this.#links.set(name, { ...present, vfs })
  }

  #remove(name: string): void {
    this.#links.delete(name)
    for (const link of this.#links.values())
      if (link.master === name) this.#links.set(link.name, { ...link, master: undefined })
  }

  #made(change: Exclude<LinkChange, { kind: 'set' | 'set-vf' | 'remove' }>): Link {
    const { name } = change
    const bare = { name, index: this.#number(), mtu: 1500, isUp: false, master: undefined, alias: '' }
    if (change.kind === 'add-bridge') return { ...bare, kind: 'bridge', mac: change.mac, tag: undefined }
    const { id, device } = change
    const local = change.kind === 'add-vxlan' ? change.local : undefined
    return { ...bare, kind: change.kind.slice('add-'.length), mac: '', tag: { id, device, local } }
  }

  #number(): number {
    this.#lastIndex += 1
    return this.#lastIndex
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }
}
