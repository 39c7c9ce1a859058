/** The built addon as it is: verbs with libvirt's numbers. Only the files beside this one use it; others use native.ts. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { LibvirtError, type LibvirtErrorFacts } from './libvirt-error.ts'

declare const handleKind: unique symbol
export type ConnectionHandle = { readonly [handleKind]: 'connection' }
export type ConsoleHandle = { readonly [handleKind]: 'console' }

/** A value of a statistics field. Integers above 2^53 - 1 come as bigint. */
export type StatValue = number | bigint | boolean | string
export type StatValues = Readonly<Record<string, StatValue>>

/** `id` is libvirt's number of the running instance; absent for a domain that is not running. */
export type DomainIdentity = { readonly uuid: string; readonly name: string; readonly id?: number }
export type SecretIdentity = { readonly uuid: string; readonly usageType: number; readonly usage: string }

export type NodeInfo = {
  readonly cpuModel: string
  readonly memoryKiB: number
  readonly cpus: number
  readonly mhz: number
  readonly numaNodes: number
  readonly sockets: number
  readonly cores: number
  readonly threads: number
}
export type RawDomain = DomainIdentity & { readonly state: number; readonly reason: number; readonly metadata?: string }
export type DomainStats = DomainIdentity & { readonly values: StatValues }
export type BlockInfo = {
  readonly capacityBytes: number
  readonly allocationBytes: number
  readonly physicalBytes: number
}
export type GuestInterface = {
  readonly name: string
  readonly mac?: string
  readonly addresses: readonly { readonly family: 'ipv4' | 'ipv6'; readonly address: string; readonly prefix: number }[]
}
export type JobProgress = {
  readonly timeElapsedMs: number
  readonly timeRemainingMs: number
  readonly dataTotalBytes: number
  readonly dataProcessedBytes: number
  readonly dataRemainingBytes: number
  readonly memTotalBytes: number
  readonly memProcessedBytes: number
  readonly memRemainingBytes: number
}
export type DomainFacts = {
  readonly maxMemoryKiB: number
  readonly memoryKiB: number
  readonly vcpus: number
  readonly cpuTimeNs: number | bigint
}
export type Versions<T> = { readonly client: T; readonly daemon: T; readonly hypervisor: T }
export type ListenerNumber = number
/** What a console tells its listener: a piece of output, or its end with the reason if it was an error. */
export type ConsoleMessage = { readonly data?: Buffer; readonly end?: true; readonly message?: string }

type C = ConnectionHandle
type OnConnection<A extends unknown[], R> = (connection: C, ...args: A) => Promise<R>
type OnDomain<A extends unknown[], R> = (connection: C, uuid: string, ...args: A) => Promise<R>
type Optional = string | undefined

type ConnectionVerbs = {
  open(uri: string): Promise<C>
  close: OnConnection<[], void>
  subscribe: OnConnection<[event: number, listener: (payload: object) => void], ListenerNumber>
  unsubscribe: OnConnection<[listener: ListenerNumber], void>
  setKeepAlive: OnConnection<[intervalS: number, count: number], number>
  isAlive: OnConnection<[], number>
  version: OnConnection<[], Versions<number>>
  hostname: OnConnection<[], string>
  driver: OnConnection<[], string>
  capabilities: OnConnection<[], string>
  domainCapabilities: OnConnection<[Optional, Optional, Optional, Optional, flags: number], string>
  nodeInfo: OnConnection<[], NodeInfo>
  nodeMemoryStats: OnConnection<[cell: number], Record<string, number>>
  nodeCpuStats: OnConnection<[cpu: number], Record<string, number>>
  baselineCpu: OnConnection<[cpus: readonly string[], flags: number], string>
  baselineHypervisorCpu: OnConnection<
    [Optional, Optional, Optional, Optional, cpus: readonly string[], flags: number],
    string
  >
  compareCpu: OnConnection<[xml: string, flags: number], number>
  compareHypervisorCpu: OnConnection<[Optional, Optional, Optional, Optional, xml: string, flags: number], number>
  listDomains: OnConnection<[flags: number, metadataUri: Optional], RawDomain[]>
  allDomainStats: OnConnection<[groups: number, flags: number], DomainStats[]>
  domainLookupByName: OnConnection<[name: string], DomainIdentity>
  domainDefine: OnConnection<[xml: string, flags: number], DomainIdentity>
  domainCreateXml: OnConnection<[xml: string, flags: number], DomainIdentity>
  secretDefine: OnConnection<[xml: string, flags: number], SecretIdentity>
  secretLookupByUsage: OnConnection<[usageType: number, usage: string], SecretIdentity>
  secretLookup: OnDomain<[], SecretIdentity>
  secretSetValue: OnDomain<[value: Buffer], number>
  secretUndefine: OnDomain<[], number>
}

type DomainVerbs = {
  domainLookup: OnDomain<[], DomainIdentity>
  domainUndefine: OnDomain<[flags: number], number>
  domainCreate: OnDomain<[flags: number], number>
  domainShutdown: OnDomain<[flags: number], number>
  domainReboot: OnDomain<[flags: number], number>
  domainReset: OnDomain<[flags: number], number>
  domainDestroy: OnDomain<[flags: number], number>
  domainSuspend: OnDomain<[], number>
  domainResume: OnDomain<[], number>
  domainState: OnDomain<[], { state: number; reason: number }>
  domainInfo: OnDomain<[], DomainFacts & { readonly state: number }>
  domainXml: OnDomain<[flags: number], string>
  domainIsActive: OnDomain<[], number>
  domainIsPersistent: OnDomain<[], number>
  domainControlInfo: OnDomain<[], { state: number; details: number; stateTimeMs: number }>
  domainSetMemory: OnDomain<[memoryKiB: number, flags: number], number>
  domainSetVcpus: OnDomain<[vcpus: number, flags: number], number>
  domainSetMetadata: OnDomain<[type: number, xml: Optional, prefix: Optional, uri: Optional, flags: number], number>
  domainGetMetadata: OnDomain<[type: number, uri: Optional, flags: number], string>
  domainAttachDevice: OnDomain<[xml: string, flags: number], number>
  domainDetachDevice: OnDomain<[xml: string, flags: number], number>
  domainUpdateDevice: OnDomain<[xml: string, flags: number], number>
  domainBlockResize: OnDomain<[disk: string, size: number, flags: number], number>
  domainBlockInfo: OnDomain<[disk: string], BlockInfo>
  domainDiskErrors: OnDomain<[], { disk: string; error: number }[]>
  domainSetBlockThreshold: OnDomain<[device: string, thresholdBytes: number, flags: number], number>
  domainInterfaceAddresses: OnDomain<[source: number], GuestInterface[]>
  domainFsFreeze: OnDomain<[mountPoints: readonly string[] | undefined], number>
  domainFsThaw: OnDomain<[mountPoints: readonly string[] | undefined], number>
  domainGuestInfo: OnDomain<[types: number], Record<string, StatValue>>
  domainSetAgentTimeout: OnDomain<[timeoutS: number, flags: number], number>
  domainMigrateToUri: OnDomain<
    [uri: string, params: Record<string, string | number | undefined>, flags: number],
    number
  >
  domainMigrateSetMaxDowntime: OnDomain<[downtimeMs: number, flags: number], number>
  domainMigrateGetMaxDowntime: OnDomain<[], number>
  domainMigrateSetMaxSpeed: OnDomain<[bandwidthMiBps: number, flags: number], number>
  domainJobInfo: OnDomain<[], JobProgress & { readonly type: number }>
  domainJobStats: OnDomain<[flags: number], { type: number; values: Record<string, StatValue> }>
  domainAbortJob: OnDomain<[], number>
  consoleOpen: OnDomain<
    [device: Optional, flags: number, listener: (message: ConsoleMessage) => void],
    { handle: ConsoleHandle; listener: ListenerNumber }
  >
  consoleWrite(console: ConsoleHandle, data: Buffer): Promise<void>
  consoleClose(console: ConsoleHandle): Promise<void>
}

type SystemCalls = {
  sendDatagram(socketPath: string, text: string): void
  setCloexecFrom(fromFd: number): void
  closeInheritedFiles(fromFd: number): number[]
  bootTimeNs(): bigint
  processStartTicks(pid: number): number | undefined
  pidfdKill(pid: number, signal: number, startTicks?: number): boolean
  waitProcessExit(pid: number, startTicks: number | undefined, timeoutMs: number): Promise<boolean>
}

export type Addon = Readonly<ConnectionVerbs & DomainVerbs & SystemCalls> & {
  setErrorClass(errorClass: new (message: string, facts: LibvirtErrorFacts) => Error): void
  /** Nothing is delivered to this listener any more; synchronous. */
  forget(listener: ListenerNumber): void
}

const ADDON_PATH = 'native/libvirt/build/Release/pvc_libvirt.node'

/** The addon lies at the same place for the sources and for the compiled output: look upwards from this file. */
function findAddon(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const path = join(folder, ADDON_PATH)
    if (existsSync(path)) return path
    if (folder === dirname(folder))
      throw new Error(`the libvirt binding is not built: no ${ADDON_PATH}; run scripts/setup`)
  }
}

let loaded: Addon | undefined

/** Loads the addon at first use, so that importing a type needs no build. @throws Error when it was not built. */
export function addon(): Addon {
  if (!loaded) {
    const fresh = createRequire(import.meta.url)(findAddon()) as Addon
    fresh.setErrorClass(LibvirtError)
    loaded = fresh
  }
  return loaded
}
