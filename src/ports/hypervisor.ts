import type { MigrationProgress, MovePolicy } from '../model/domain.ts'
import type { GuestCpu } from '../model/guest-cpu.ts'
import type { LifeId, VmUuid } from '../model/ids.ts'
import type { GuestStats } from '../model/node.ts'

/** State of a libvirt domain that exists. Our domains are transient: a stopped one does not exist. */
export type DomainState =
  | 'running'
  | 'blocked'
  | 'paused'
  | 'shutdown'
  | 'shutoff'
  | 'crashed'
  | 'pmsuspended'
  | 'nostate'

/** Owner mark in a domain's metadata (protocol N4). */
export type DomainMark = { readonly life: LifeId; readonly seq: number }

/** A domain as libvirt lists it. */
export type DomainInfo = {
  readonly uuid: VmUuid
  readonly name: string
  readonly state: DomainState
  /** libvirt's reason word, e.g. `booted`, `ioerror`. A domain whose start is in flight is `paused` with `starting-up`. */
  readonly reason: string
  /** Undefined: the domain carries no mark of ours. */
  readonly mark: DomainMark | undefined
  /** Migration id in the metadata of an arriving copy. */
  readonly migrationId: string | undefined
}

/** What libvirt tells by itself. It only says "look again". `domain` names the VM, `connection` the link to libvirt itself. */
export type HypervisorEvent =
  | { readonly kind: 'domain'; readonly uuid: VmUuid; readonly event: string; readonly detail: string }
  | { readonly kind: 'connection'; readonly connected: boolean }

/** Facts that do not change while the host is up. */
export type HostFacts = {
  readonly hostname: string
  readonly libvirtVersion: string
  readonly qemuVersion: string
  readonly cpuCount: number
  readonly memoryTotalMiB: number
}

export type StatsSample = {
  readonly guests: readonly GuestStats[]
  /** Current and maximum memory of all running guests. */
  readonly memoryAllocatedMiB: number
  readonly memoryProvisionedMiB: number
  readonly vcpusAllocated: number
}

/** A live copy to another node (protocol L2): it arrives paused, and carries the migration's id instead of our mark. */
export type MigrationRequest = {
  readonly migrationId: string
  /** Address of the target on the migration network. */
  readonly targetAddress: string
  readonly maxDowntimeMs: number
  readonly policy: MovePolicy
}

/** Who listens to an open serial console. */
export type ConsoleListener = {
  /** A piece of what the guest prints, at most 64 KiB. */
  onData(data: Buffer): void
  /** The console is over: the guest ended, somebody took it, or libvirt went. Called once, and not after `close`. */
  onEnd(reason: string | undefined): void
}

/** The open serial console of a running domain. */
export type OpenConsole = {
  /** Types into it; calls keep their order. Resolves when libvirt took the bytes. @throws when the console is over */
  write(data: Buffer): Promise<void>
  /** Nothing is told after this. Idempotent. */
  close(): Promise<void>
}

/**
 * libvirt as pvcnoded needs it. Every call has a deadline inside; after PVC_HYPERVISOR_TIMEOUT the call may still take
 * effect (a deadline is not an outcome), also when the connection broke during it. PVC_HYPERVISOR_UNAVAILABLE: not
 * connected, nothing was asked.
 */
export type Hypervisor = {
  readonly isConnected: boolean
  facts(): Promise<HostFacts>
  /** All domains libvirt knows, also inactive ones and ones whose start is in flight. */
  list(): Promise<readonly DomainInfo[]>
  /** One domain, or undefined when libvirt knows none with this UUID. */
  get(uuid: VmUuid): Promise<DomainInfo | undefined>
  /** Live XML of a domain; undefined when there is none. */
  xml(uuid: VmUuid): Promise<string | undefined>
  /**
   * Creates a transient domain from `xml` with our mark in its metadata.
   * The promise may outlive its deadline: see {@link outstandingCreates}.
   * One create per VM at a time: while one is outstanding, another is refused with PVC_HYPERVISOR_TIMEOUT.
   * @throws PVC_HYPERVISOR_FAILED (details.isFinal: trying again cannot help), PVC_HYPERVISOR_TIMEOUT, PVC_XML_INVALID
   */
  create(uuid: VmUuid, xml: string, mark: DomainMark): Promise<void>
  /** VMs whose create call was sent and has not returned yet, whether or not its deadline has passed. */
  outstandingCreates(): ReadonlySet<VmUuid>
  /** Presses the ACPI power button, and asks the guest agent when one answers. */
  shutdown(uuid: VmUuid): Promise<void>
  /** Ends the domain at once; no error when it is gone already. */
  destroy(uuid: VmUuid): Promise<void>
  /** Removes a leftover persistent definition; no error when there is none. */
  undefine(uuid: VmUuid): Promise<void>
  reset(uuid: VmUuid): Promise<void>
  suspend(uuid: VmUuid): Promise<void>
  resume(uuid: VmUuid): Promise<void>
  blockResize(uuid: VmUuid, device: string, sizeBytes: number): Promise<void>
  /**
   * Copies the domain to another node by libvirt peer-to-peer and leaves the copy paused there. Resolves when the call
   * returns, which may take as long as the copy does; it is not bounded here. What its end means must be looked at:
   * the domain may run, be paused or be gone afterwards.
   * At most five copies leave at once, the others wait. The copy goes on when this process ends or loses libvirt.
   * @throws PVC_HYPERVISOR_FAILED with libvirt's reason, PVC_HYPERVISOR_TIMEOUT when the connection broke meanwhile, or an
   * earlier call for the VM has not returned
   */
  migrate(uuid: VmUuid, request: MigrationRequest): Promise<void>
  /**
   * Progress of the running copy, asked at its source; undefined when no copy is under way. QEMU does not answer while the
   * network is stuck: PVC_HYPERVISOR_TIMEOUT after 2 s then.
   */
  migrationProgress(uuid: VmUuid): Promise<MigrationProgress | undefined>
  /** Ends the running copy, asked at its source; the guest goes on here. No error when none is under way. */
  abortMigration(uuid: VmUuid): Promise<void>
  /** Replaces what the domain's metadata says (live) by our mark. Not while a copy is under way: libvirt would wait for its end. */
  setMark(uuid: VmUuid, mark: DomainMark): Promise<void>
  /**
   * Why this host cannot offer a guest's processor, as libvirt words it; undefined: it can, or libvirt cannot tell.
   */
  cpuProblem(cpu: GuestCpu): Promise<string | undefined>
  /** Statistics of all running guests in one call. */
  stats(): Promise<StatsSample>
  /** Makes libvirt know the Ceph key of guests; the value never appears in argv or logs. */
  ensureSecret(uuid: string, usage: string, value: Buffer): Promise<void>
  /**
   * Opens the first serial console of a running domain; libvirt allows one session. `isForced` takes it from whoever has it.
   * @throws PVC_HYPERVISOR_FAILED when the domain does not run, has no console, or its console is taken
   */
  openConsole(uuid: VmUuid, isForced: boolean, listener: ConsoleListener): Promise<OpenConsole>
  subscribe(listener: (event: HypervisorEvent) => void): () => void
  close(): Promise<void>
}
