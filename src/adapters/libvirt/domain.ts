import type { ConsoleListener, DomainState } from '../../ports/hypervisor.ts'
import {
  addon,
  type BlockInfo,
  type ConnectionHandle,
  type DomainFacts,
  type DomainIdentity,
  type GuestInterface,
  type JobProgress,
  type StatValues,
} from './addon.ts'
import { ConsoleStream } from './console.ts'
import { isLibvirtError, VIR_ERR } from './libvirt-error.ts'
import { CONTROL_STATES, DISK_ERRORS, JOB_TYPES, stateWords, type Word, wordOf } from './word.ts'

const METADATA_ELEMENT = 2
const ADDRESS_SOURCES = { lease: 0, agent: 1, arp: 2 } as const
const BLOCK_RESIZE_BYTES = 1

/** Parameters of a migration; absent ones are libvirt's choice. Max downtime is set while it runs. */
export type MigrationParams = {
  /** Where the target's QEMU listens, e.g. `tcp://10.0.0.2`. */
  readonly migrateUri?: string | undefined
  readonly destinationName?: string | undefined
  readonly destinationXml?: string | undefined
  readonly persistentXml?: string | undefined
  readonly listenAddress?: string | undefined
  readonly tlsDestination?: string | undefined
  readonly bandwidthMiBps?: number | undefined
  /** Percent of CPU time first taken from a guest that writes too fast; needs AUTO_CONVERGE. */
  readonly autoConvergeInitial?: number | undefined
  readonly autoConvergeIncrement?: number | undefined
  /** Needs PARALLEL. */
  readonly parallelConnections?: number | undefined
}

export type JobStats = { readonly type: Word<(typeof JOB_TYPES)[number]>; readonly values: StatValues }

/**
 * One domain, addressed by UUID over one connection. It holds nothing: every call looks the domain up, and rejects with
 * NO_DOMAIN when libvirt has none. All calls reject with {@link LibvirtError}; none has a deadline of its own.
 */
export class LibvirtDomain {
  readonly uuid: string
  readonly #handle: ConnectionHandle

  constructor(handle: ConnectionHandle, uuid: string) {
    this.#handle = handle
    this.uuid = uuid
  }

  /** Name and running id; rejects with NO_DOMAIN when there is no such domain. */
  lookup(): Promise<DomainIdentity> {
    return addon().domainLookup(this.#handle, this.uuid)
  }
  /** Starts a defined domain. `flags`: START. */
  create(flags = 0): Promise<void> {
    return this.#done(addon().domainCreate(this.#handle, this.uuid, flags))
  }
  /** `flags`: UNDEFINE. A running domain becomes transient. */
  undefine(flags = 0): Promise<void> {
    return this.#done(addon().domainUndefine(this.#handle, this.uuid, flags))
  }
  /** Asks the guest; returns when asked, not when it is off. `flags`: SHUTDOWN. */
  shutdown(flags = 0): Promise<void> {
    return this.#done(addon().domainShutdown(this.#handle, this.uuid, flags))
  }
  /** Asks the guest. `flags`: REBOOT. */
  reboot(flags = 0): Promise<void> {
    return this.#done(addon().domainReboot(this.#handle, this.uuid, flags))
  }
  reset(): Promise<void> {
    return this.#done(addon().domainReset(this.#handle, this.uuid, 0))
  }
  /** `flags`: DESTROY. */
  destroy(flags = 0): Promise<void> {
    return this.#done(addon().domainDestroy(this.#handle, this.uuid, flags))
  }
  suspend(): Promise<void> {
    return this.#done(addon().domainSuspend(this.#handle, this.uuid))
  }
  resume(): Promise<void> {
    return this.#done(addon().domainResume(this.#handle, this.uuid))
  }

  async state(): Promise<{ state: DomainState; reason: string }> {
    const { state, reason } = await addon().domainState(this.#handle, this.uuid)
    return stateWords(state, reason)
  }
  info(): Promise<DomainFacts> {
    return addon().domainInfo(this.#handle, this.uuid)
  }
  /** `flags`: XML. */
  xml(flags = 0): Promise<string> {
    return addon().domainXml(this.#handle, this.uuid, flags)
  }
  async isActive(): Promise<boolean> {
    return (await addon().domainIsActive(this.#handle, this.uuid)) === 1
  }
  async isPersistent(): Promise<boolean> {
    return (await addon().domainIsPersistent(this.#handle, this.uuid)) === 1
  }
  /** Whether libvirt works on the domain right now, and since when. */
  async controlInfo(): Promise<{ state: Word<(typeof CONTROL_STATES)[number]>; stateTimeMs: number }> {
    const info = await addon().domainControlInfo(this.#handle, this.uuid)
    return { state: wordOf(CONTROL_STATES, info.state), stateTimeMs: info.stateTimeMs }
  }
  /** `flags`: AFFECT and MEM. */
  setMemory(memoryKiB: number, flags = 0): Promise<void> {
    return this.#done(addon().domainSetMemory(this.#handle, this.uuid, memoryKiB, flags))
  }
  /** `flags`: AFFECT and VCPU. */
  setVcpus(vcpus: number, flags = 0): Promise<void> {
    return this.#done(addon().domainSetVcpus(this.#handle, this.uuid, vcpus, flags))
  }

  /** Puts `xml`, one element, under the domain's metadata for namespace `uri`; undefined removes it. `flags`: AFFECT. */
  setMetadata(uri: string, prefix: string, xml: string | undefined, flags = 0): Promise<void> {
    // libvirt refuses a prefix when there is nothing to write.
    const key = xml === undefined ? undefined : prefix
    return this.#done(addon().domainSetMetadata(this.#handle, this.uuid, METADATA_ELEMENT, xml, key, uri, flags))
  }
  /** The element stored for namespace `uri`, undefined when there is none. `flags`: AFFECT. */
  async getMetadata(uri: string, flags = 0): Promise<string | undefined> {
    try {
      return await addon().domainGetMetadata(this.#handle, this.uuid, METADATA_ELEMENT, uri, flags)
    } catch (error) {
      if (isLibvirtError(error, VIR_ERR.NO_DOMAIN_METADATA)) return undefined
      throw error
    }
  }

  /** `flags`: AFFECT. */
  attachDevice(xml: string, flags = 0): Promise<void> {
    return this.#done(addon().domainAttachDevice(this.#handle, this.uuid, xml, flags))
  }
  /** Success says that the guest was asked; only the event or the XML says that the device is gone. `flags`: AFFECT. */
  detachDevice(xml: string, flags = 0): Promise<void> {
    return this.#done(addon().domainDetachDevice(this.#handle, this.uuid, xml, flags))
  }
  /** `flags`: AFFECT. */
  updateDevice(xml: string, flags = 0): Promise<void> {
    return this.#done(addon().domainUpdateDevice(this.#handle, this.uuid, xml, flags))
  }
  blockResize(disk: string, sizeBytes: number): Promise<void> {
    return this.#done(addon().domainBlockResize(this.#handle, this.uuid, disk, sizeBytes, BLOCK_RESIZE_BYTES))
  }
  blockInfo(disk: string): Promise<BlockInfo> {
    return addon().domainBlockInfo(this.#handle, this.uuid, disk)
  }
  async diskErrors(): Promise<{ disk: string; error: Word<(typeof DISK_ERRORS)[number]> }[]> {
    const errors = await addon().domainDiskErrors(this.#handle, this.uuid)
    return errors.map(({ disk, error }) => ({ disk, error: wordOf(DISK_ERRORS, error) }))
  }
  setBlockThreshold(device: string, thresholdBytes: number): Promise<void> {
    return this.#done(addon().domainSetBlockThreshold(this.#handle, this.uuid, device, thresholdBytes, 0))
  }

  /** `agent` asks inside the guest, `lease` libvirt's own DHCP, `arp` the host's table. */
  interfaceAddresses(source: keyof typeof ADDRESS_SOURCES): Promise<GuestInterface[]> {
    return addon().domainInterfaceAddresses(this.#handle, this.uuid, ADDRESS_SOURCES[source])
  }
  /** Freezes all file systems, or those given. @returns how many. */
  fsFreeze(mountPoints?: readonly string[]): Promise<number> {
    return addon().domainFsFreeze(this.#handle, this.uuid, mountPoints)
  }
  fsThaw(mountPoints?: readonly string[]): Promise<number> {
    return addon().domainFsThaw(this.#handle, this.uuid, mountPoints)
  }
  /** What the agent says, flat: `os.name`, `fs.0.mountpoint`... `types`: GUEST_INFO. */
  guestInfo(types = 0): Promise<StatValues> {
    return addon().domainGuestInfo(this.#handle, this.uuid, types)
  }
  /** How long libvirt waits for the agent, -2 for ever, -1 libvirt's default (5 s), 0 not at all. */
  setAgentTimeout(timeoutS: number): Promise<void> {
    return this.#done(addon().domainSetAgentTimeout(this.#handle, this.uuid, timeoutS, 0))
  }

  /** Resolves when libvirt says the migration is done; a rejection may leave the outcome open. `flags`: MIGRATE. */
  migrate(destinationUri: string, params: MigrationParams, flags: number): Promise<void> {
    const named = {
      migrate_uri: params.migrateUri,
      destination_name: params.destinationName,
      destination_xml: params.destinationXml,
      persistent_xml: params.persistentXml,
      listen_address: params.listenAddress,
      'tls.destination': params.tlsDestination,
      bandwidth: params.bandwidthMiBps,
      'auto_converge.initial': params.autoConvergeInitial,
      'auto_converge.increment': params.autoConvergeIncrement,
      'parallel.connections': params.parallelConnections,
    }
    return this.#done(addon().domainMigrateToUri(this.#handle, this.uuid, destinationUri, named, flags))
  }
  migrateSetMaxDowntime(downtimeMs: number): Promise<void> {
    return this.#done(addon().domainMigrateSetMaxDowntime(this.#handle, this.uuid, downtimeMs, 0))
  }
  migrateGetMaxDowntimeMs(): Promise<number> {
    return addon().domainMigrateGetMaxDowntime(this.#handle, this.uuid)
  }
  migrateSetMaxSpeed(bandwidthMiBps: number): Promise<void> {
    return this.#done(addon().domainMigrateSetMaxSpeed(this.#handle, this.uuid, bandwidthMiBps, 0))
  }
  async jobInfo(): Promise<JobProgress & { readonly type: JobStats['type'] }> {
    const info = await addon().domainJobInfo(this.#handle, this.uuid)
    return { ...info, type: wordOf(JOB_TYPES, info.type) }
  }
  /** `flags`: JOB_STATS. */
  async jobStats(flags = 0): Promise<JobStats> {
    const { type, values } = await addon().domainJobStats(this.#handle, this.uuid, flags)
    return { type: wordOf(JOB_TYPES, type), values }
  }
  abortJob(): Promise<void> {
    return this.#done(addon().domainAbortJob(this.#handle, this.uuid))
  }

  /** Opens the serial console. `flags`: CONSOLE; `device`: alias, default the first. */
  openConsole(listener: ConsoleListener, options: { device?: string; flags?: number } = {}): Promise<ConsoleStream> {
    return ConsoleStream.open(this.#handle, this.uuid, options.device, options.flags ?? 0, listener)
  }

  async #done(call: Promise<number>): Promise<void> {
    await call
  }
}
