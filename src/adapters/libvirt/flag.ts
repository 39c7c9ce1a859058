/**
 * libvirt's flag bits under libvirt's own names, to be joined with `|`. A test compares every number with the C headers.
 */

/** {@link LibvirtDomain.migrate} */
export const MIGRATE = {
  LIVE: 1,
  PEER2PEER: 2,
  TUNNELLED: 4,
  PERSIST_DEST: 8,
  UNDEFINE_SOURCE: 16,
  /** The copy stays paused on the target until somebody resumes it. */
  PAUSED: 32,
  CHANGE_PROTECTION: 256,
  UNSAFE: 512,
  OFFLINE: 1024,
  COMPRESSED: 2048,
  ABORT_ON_ERROR: 4096,
  AUTO_CONVERGE: 8192,
  POSTCOPY: 32768,
  TLS: 65536,
  PARALLEL: 131072,
  POSTCOPY_RESUME: 524288,
  ZEROCOPY: 1048576,
} as const

/** {@link LibvirtConnection.compareCpu} */
export const COMPARE_CPU = {
  /** An incompatible processor is an error, which says what is missing. */
  FAIL_INCOMPATIBLE: 1,
} as const

/** Groups of {@link LibvirtConnection.domainStats}. */
export const STATS = {
  STATE: 1,
  CPU_TOTAL: 2,
  BALLOON: 4,
  VCPU: 8,
  INTERFACE: 16,
  BLOCK: 32,
  PERF: 64,
  IOTHREAD: 128,
  MEMORY: 256,
  DIRTYRATE: 512,
  VM: 1024,
} as const

/** Filter and behaviour of {@link LibvirtConnection.listDomains} and {@link LibvirtConnection.domainStats}. */
export const LIST = {
  ACTIVE: 1,
  INACTIVE: 2,
  PERSISTENT: 4,
  TRANSIENT: 8,
  RUNNING: 16,
  PAUSED: 32,
  SHUTOFF: 64,
  OTHER: 128,
  /** Leaves out what a busy domain would have to be asked for, instead of waiting for its job. */
  NOWAIT: 536870912,
  BACKING: 1073741824,
} as const

/** {@link LibvirtDomain.create}, {@link LibvirtConnection.createDomain} */
export const START = {
  PAUSED: 1,
  AUTODESTROY: 2,
  BYPASS_CACHE: 4,
  FORCE_BOOT: 8,
  VALIDATE: 16,
  RESET_NVRAM: 32,
} as const

/** {@link LibvirtConnection.defineDomain} */
export const DEFINE = { VALIDATE: 1 } as const

/** {@link LibvirtDomain.undefine} */
export const UNDEFINE = {
  MANAGED_SAVE: 1,
  SNAPSHOTS_METADATA: 2,
  NVRAM: 4,
  KEEP_NVRAM: 8,
  CHECKPOINTS_METADATA: 16,
  TPM: 32,
  KEEP_TPM: 64,
} as const

/** {@link LibvirtDomain.shutdown}; none lets the hypervisor choose. */
export const SHUTDOWN = { ACPI_POWER_BTN: 1, GUEST_AGENT: 2, INITCTL: 4, SIGNAL: 8, PARAVIRT: 16 } as const

/** {@link LibvirtDomain.reboot} */
export const REBOOT = { ACPI_POWER_BTN: 1, GUEST_AGENT: 2, INITCTL: 4, SIGNAL: 8, PARAVIRT: 16 } as const

/** {@link LibvirtDomain.destroy}; GRACEFUL fails instead of sending SIGKILL. */
export const DESTROY = { GRACEFUL: 1, REMOVE_LOGS: 2 } as const

/** {@link LibvirtDomain.xml} */
export const XML = { SECURE: 1, INACTIVE: 2, UPDATE_CPU: 4, MIGRATABLE: 8 } as const

/** What a change applies to; CURRENT is the running domain if there is one, else its definition. */
export const AFFECT = { CURRENT: 0, LIVE: 1, CONFIG: 2 } as const

/** {@link LibvirtDomain.setMemory}, beside AFFECT. */
export const MEM = { MAXIMUM: 4 } as const

/** {@link LibvirtDomain.setVcpus}, beside AFFECT. */
export const VCPU = { MAXIMUM: 4, GUEST: 8, HOTPLUGGABLE: 16 } as const

/** {@link LibvirtDomain.jobStats} */
export const JOB_STATS = { COMPLETED: 1, KEEP_COMPLETED: 2 } as const

/** {@link LibvirtDomain.guestInfo}; none asks for everything the agent knows. */
export const GUEST_INFO = {
  USERS: 1,
  OS: 2,
  TIMEZONE: 4,
  HOSTNAME: 8,
  FILESYSTEM: 16,
  DISKS: 32,
  INTERFACES: 64,
} as const

/** {@link LibvirtDomain.openConsole}; FORCE takes it away from another session. */
export const CONSOLE = { FORCE: 1, SAFE: 2 } as const
