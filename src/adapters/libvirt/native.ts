/**
 * libvirt for TypeScript: thin verbs over the addon, one promise per call. No policy here: no retries, no deadlines, no
 * reconnecting (reconnect.ts). Calls block threads of the addon, up to 64, never Node's own four.
 */
import type { DomainState } from '../../ports/hypervisor.ts'
import {
  addon,
  type ConnectionHandle,
  type DomainIdentity,
  type DomainStats,
  type ListenerNumber,
  type NodeInfo,
  type SecretIdentity,
  type Versions,
} from './addon.ts'
import { LibvirtDomain } from './domain.ts'
import { CLOSED_EVENT_ID, EVENT_KINDS, type LibvirtEventKind, type LibvirtEvents, translateEvent } from './event.ts'
import { EventChannel } from './event-channel.ts'
import { isLibvirtError, VIR_ERR } from './libvirt-error.ts'
import { CLOSE_REASONS, CPU_COMPARISONS, stateWords, type Word, wordOf } from './word.ts'

/** A domain in a list. `metadata`: the element asked for, undefined when the domain has none. */
export type ListedDomain = DomainIdentity & {
  readonly state: DomainState
  readonly reason: string
  readonly metadata: string | undefined
}

export type CloseReason = Word<(typeof CLOSE_REASONS)[number]>
/** Ends a subscription: nothing is delivered after the call; resolves when libvirt dropped it too. */
export type Unsubscribe = () => Promise<void>
/** Selects the emulator a CPU question is about; absent means the host's default. */
export type CpuTarget = { emulator?: string; arch?: string; machine?: string; type?: string }

/**
 * Opens a connection, e.g. `qemu:///system`. libvirt decides how long this takes; the caller bounds its wait and closes
 * the connection if it comes late.
 * @throws LibvirtError
 */
export async function openConnection(uri: string): Promise<LibvirtConnection> {
  return new LibvirtConnection(await addon().open(uri))
}

/** An open connection. Outstanding calls and subscriptions keep the process alive, an idle connection does not. */
export class LibvirtConnection {
  readonly #handle: ConnectionHandle
  readonly #listeners = new Set<ListenerNumber>()
  readonly #channels = new Map<number, EventChannel<object>>()
  #closing: Promise<void> | undefined

  constructor(handle: ConnectionHandle) {
    this.#handle = handle
  }

  /** True until {@link close} is called; a broken connection is open until somebody closes it. */
  get isOpen(): boolean {
    return this.#closing === undefined
  }

  /** Ends all subscriptions and consoles and closes. Calls in flight finish; later ones reject with INVALID_CONN. Idempotent. */
  close(): Promise<void> {
    for (const listener of this.#listeners) addon().forget(listener)
    this.#listeners.clear()
    for (const channel of this.#channels.values()) channel.clear()
    this.#closing ??= addon().close(this.#handle)
    return this.#closing
  }

  /** Pings a silent daemon every `intervalS`; after `count` unanswered ones the connection breaks and calls in flight fail. */
  async setKeepAlive(intervalS: number, count: number): Promise<void> {
    await addon().setKeepAlive(this.#handle, intervalS, count)
  }
  /** False once the socket is closed or the keepalive failed; asks nobody. */
  async isAlive(): Promise<boolean> {
    return (await addon().isAlive(this.#handle)) === 1
  }

  /** Told once when the connection breaks by itself; not told of {@link close}. */
  onClose(listener: (reason: CloseReason) => void): Promise<Unsubscribe> {
    return this.#channel(CLOSED_EVENT_ID).add((raw) =>
      listener(wordOf(CLOSE_REASONS, (raw as { readonly reason: number }).reason)),
    )
  }

  /** Told of every event of this kind, of all domains, from the resolution on. */
  subscribe<K extends LibvirtEventKind>(kind: K, listener: (event: LibvirtEvents[K]) => void): Promise<Unsubscribe> {
    return this.#channel(EVENT_KINDS[kind].id).add((raw) => listener(translateEvent(kind, raw)))
  }

  /** Library versions on both sides and the hypervisor's, e.g. `9.0.0`. */
  async version(): Promise<Versions<string>> {
    const { client, daemon, hypervisor } = await addon().version(this.#handle)
    return { client: formatVersion(client), daemon: formatVersion(daemon), hypervisor: formatVersion(hypervisor) }
  }
  hostname(): Promise<string> {
    return addon().hostname(this.#handle)
  }
  /** Name of the driver, e.g. `QEMU`. */
  driver(): Promise<string> {
    return addon().driver(this.#handle)
  }
  capabilities(): Promise<string> {
    return addon().capabilities(this.#handle)
  }
  domainCapabilities(target: CpuTarget = {}): Promise<string> {
    return addon().domainCapabilities(this.#handle, target.emulator, target.arch, target.machine, target.type, 0)
  }
  nodeInfo(): Promise<NodeInfo> {
    return addon().nodeInfo(this.#handle)
  }
  /** KiB by field (total, free, buffers, cached), of the whole host or one NUMA cell. */
  nodeMemoryStats(cell = -1): Promise<Record<string, number>> {
    return addon().nodeMemoryStats(this.#handle, cell)
  }
  /** Nanoseconds by field (user, kernel, idle, iowait), of all processors or one. */
  nodeCpuStats(cpu = -1): Promise<Record<string, number>> {
    return addon().nodeCpuStats(this.#handle, cpu)
  }
  /** The richest CPU model every one of `cpus` (XML) has; with a target, limited to what its emulator can do. */
  baselineCpu(cpus: readonly string[], target?: CpuTarget, flags = 0): Promise<string> {
    if (!target) return addon().baselineCpu(this.#handle, cpus, flags)
    const { emulator, arch, machine, type } = target
    return addon().baselineHypervisorCpu(this.#handle, emulator, arch, machine, type, cpus, flags)
  }
  /** How this host compares with the CPU in `xml`. */
  async compareCpu(xml: string, target?: CpuTarget, flags = 0): Promise<Word<(typeof CPU_COMPARISONS)[number]>> {
    const result = target
      ? await addon().compareHypervisorCpu(
          this.#handle,
          target.emulator,
          target.arch,
          target.machine,
          target.type,
          xml,
          flags,
        )
      : await addon().compareCpu(this.#handle, xml, flags)
    return wordOf(CPU_COMPARISONS, result)
  }

  /** The domain with this UUID, whether or not it exists; nothing is asked yet. */
  domain(uuid: string): LibvirtDomain {
    return new LibvirtDomain(this.#handle, uuid)
  }
  /** All domains, or those `flags` (LIST) selects, never waiting for a busy one; with `metadataUri` each one's element of that namespace. */
  async listDomains(options: { flags?: number; metadataUri?: string } = {}): Promise<ListedDomain[]> {
    const domains = await addon().listDomains(this.#handle, options.flags ?? 0, options.metadataUri)
    return domains.map(({ state, reason, metadata, ...identity }) => ({
      ...identity,
      ...stateWords(state, reason),
      metadata,
    }))
  }
  /**
   * Statistics of all domains in one call, flat as libvirt names them (`cpu.time`, `block.0.rd.bytes`).
   * `groups`: STATS, 0 for all; `flags`: LIST.
   */
  domainStats(groups = 0, flags = 0): Promise<DomainStats[]> {
    return addon().allDomainStats(this.#handle, groups, flags)
  }
  lookupDomainByName(name: string): Promise<DomainIdentity> {
    return addon().domainLookupByName(this.#handle, name)
  }
  /** `flags`: DEFINE. */
  defineDomain(xml: string, flags = 0): Promise<DomainIdentity> {
    return addon().domainDefine(this.#handle, xml, flags)
  }
  /** Starts a transient domain. `flags`: START. */
  createDomain(xml: string, flags = 0): Promise<DomainIdentity> {
    return addon().domainCreateXml(this.#handle, xml, flags)
  }

  defineSecret(xml: string): Promise<SecretIdentity> {
    return addon().secretDefine(this.#handle, xml, 0)
  }
  /** The addon wipes its own copy of `value`; the caller's is the caller's. */
  async setSecretValue(uuid: string, value: Buffer): Promise<void> {
    await addon().secretSetValue(this.#handle, uuid, value)
  }
  lookupSecret(uuid: string): Promise<SecretIdentity> {
    return addon().secretLookup(this.#handle, uuid)
  }
  /** `usageType`: virSecretUsageType, 2 for Ceph. */
  lookupSecretByUsage(usageType: number, usage: string): Promise<SecretIdentity> {
    return addon().secretLookupByUsage(this.#handle, usageType, usage)
  }
  async undefineSecret(uuid: string): Promise<void> {
    await addon().secretUndefine(this.#handle, uuid)
  }

  #channel(event: number): EventChannel<object> {
    let channel = this.#channels.get(event)
    if (!channel) {
      // The closure holds this connection, so that it is not collected while somebody listens.
      channel = new EventChannel((deliver) => this.#listen(event, deliver))
      this.#channels.set(event, channel)
    }
    return channel
  }

  async #listen(event: number, deliver: (payload: object) => void): Promise<Unsubscribe> {
    const number = await addon().subscribe(this.#handle, event, deliver)
    if (this.isOpen) this.#listeners.add(number)
    else addon().forget(number)
    return () => this.#unlisten(number)
  }

  async #unlisten(number: ListenerNumber): Promise<void> {
    addon().forget(number)
    if (!this.#listeners.delete(number)) return
    try {
      await addon().unsubscribe(this.#handle, number)
    } catch (error) {
      // Closing has ended the subscription already.
      if (!isLibvirtError(error, VIR_ERR.INVALID_CONN)) throw error
    }
  }
}

/** libvirt's number (major * 1,000,000 + minor * 1,000 + release) as text. */
function formatVersion(version: number): string {
  return `${Math.floor(version / 1_000_000)}.${Math.floor(version / 1000) % 1000}.${version % 1000}`
}
