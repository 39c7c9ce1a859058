/** What the hypervisor contract needs besides the port: the same for the fake and for a real libvirtd. */
import { join } from 'node:path'
import { createSystemClock } from '../../src/adapters/clock/system.ts'
import { FakeFiles } from '../../src/adapters/fake/files.ts'
import { FakeHypervisor } from '../../src/adapters/fake/hypervisor.ts'
import { FakeLibvirtd } from '../../src/adapters/fake/libvirtd.ts'
import { FakeLog } from '../../src/adapters/fake/log.ts'
import type { FakeMigrationNetwork } from '../../src/adapters/fake/migration.ts'
import { createNodeFiles } from '../../src/adapters/files/node-files.ts'
import { startHypervisor } from '../../src/adapters/libvirt/hypervisor.ts'
import { openConnection } from '../../src/adapters/libvirt/native.ts'
import { VmUuid } from '../../src/model/ids.ts'
import type { NodeFiles } from '../../src/ports/files.ts'
import type { Hypervisor } from '../../src/ports/hypervisor.ts'
import { pollUntil } from '../lab/poll.ts'
import { type LibvirtdRoom, openLibvirtdRoom } from './libvirtd-room.ts'

/** Bound of a create call in the contract. */
export const CREATE_TIMEOUT_MS = 3000

/** The cluster's way to migrate in the contract: its defaults. */
export const MIGRATION = {
  autoConverge: true,
  parallel: 1,
  maxDowntimeMs: 300,
  scheme: 'qemu+tcp',
} as const

export type HypervisorWorld = {
  readonly files: NodeFiles
  /** A daemon's connection. */
  connect(): Promise<Hypervisor>
  /** Definition of a guest that ignores its power button. */
  xml(uuid: VmUuid, name: string): string
  /** A persistent definition, as an older tool leaves it. */
  define(xml: string): Promise<void>
  /** Starts take this much longer from now on, after the hook has run. */
  stallStarts(seconds: number): Promise<void>
  /** Process of a VM on this host: where rooms share /proc, a VM that moves has two. */
  qemuPid(uuid: VmUuid): Promise<number | undefined>
  killLibvirtd(): Promise<void>
  startLibvirtd(): Promise<void>
  /** Ends every guest and connection; the world can be used again. */
  reset(): Promise<void>
  close(): Promise<void>
}

function guestXml(uuid: VmUuid, name: string, emulator: string): string {
  return `<domain type='qemu'>
  <name>${name}</name><uuid>${uuid}</uuid>
  <memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
  <devices><emulator>${emulator}</emulator><memballoon model='virtio'/><console type='pty'/></devices>
</domain>`
}

/** The fake on real time, so that one suite fits both. Given a network, guests can be copied from and to it. */
export function fakeHypervisorWorld(network?: {
  readonly migrations: FakeMigrationNetwork
  readonly address: string
}): HypervisorWorld {
  const clock = createSystemClock()
  let files = new FakeFiles()
  let libvirtd = newLibvirtd()
  function newLibvirtd() {
    return new FakeLibvirtd({
      clock,
      processes: files.processes,
      permitOf: (uuid) => files.permitOf(uuid),
      incomingOf: (uuid) => files.incomingOf(uuid),
      ...(network && { network }),
    })
  }
  return {
    get files() {
      return files
    },
    connect: async () => new FakeHypervisor({ libvirtd, createTimeoutMs: CREATE_TIMEOUT_MS }),
    xml: (uuid, name) => {
      libvirtd.guest(uuid).acpi = 'ignores'
      return guestXml(uuid, name, '/usr/bin/qemu-system-x86_64')
    },
    define: async (xml) => libvirtd.define(VmUuid.parse(/<uuid>(.*)<\/uuid>/.exec(xml)?.[1]), xml),
    stallStarts: async (seconds) => {
      libvirtd.startStallMs = seconds * 1000
    },
    qemuPid: async (uuid) => (await files.qemuProcesses()).get(uuid),
    killLibvirtd: async () => libvirtd.stop(),
    startLibvirtd: async () => libvirtd.start(),
    reset: async () => {
      files = new FakeFiles()
      libvirtd = newLibvirtd()
    },
    close: async () => undefined,
  }
}

/** A libvirtd of its own with real QEMU processes. */
export async function libvirtWorld(): Promise<HypervisorWorld> {
  return worldOf(await openLibvirtdRoom())
}

/** The contract's view of a room; give the starts more time where it is not their lateness that is tested. */
export function worldOf(room: LibvirtdRoom, createTimeoutMs = CREATE_TIMEOUT_MS): HypervisorWorld {
  const clock = createSystemClock()
  const connections: Hypervisor[] = []
  const runDir = join(room.runDir, 'pvc')
  const files = createNodeFiles({ runDir, stateDir: runDir, libvirtRunDir: join(room.runDir, 'libvirt/qemu') })
  const connect = async () => {
    const hypervisor = startHypervisor({
      uri: room.uri,
      clock,
      log: new FakeLog(),
      createTimeoutMs,
      migration: MIGRATION,
    })
    connections.push(hypervisor)
    await pollUntil({ what: 'libvirt is connected', timeoutMs: 10_000 }, async () => hypervisor.isConnected)
    return hypervisor
  }
  return {
    files,
    connect,
    xml: (uuid, name) => guestXml(uuid, name, room.emulator),
    async define(xml) {
      const connection = await openConnection(room.uri)
      await connection.defineDomain(xml)
      await connection.close()
    },
    stallStarts: (seconds) => room.stallStarts(seconds),
    qemuPid: (uuid) => room.qemuPid(uuid),
    killLibvirtd: () => room.killLibvirtd(),
    startLibvirtd: () => room.startLibvirtd(),
    async reset() {
      await room.stallStarts(0)
      await room.startLibvirtd()
      const hypervisor = await connect()
      for (const uuid of (await files.permits()).keys()) await files.removePermit(uuid)
      await pollUntil({ what: 'no guest is left', timeoutMs: 20_000 }, async () => {
        const domains = await hypervisor.list()
        for (const { uuid } of domains) {
          await hypervisor.destroy(uuid)
          await hypervisor.undefine(uuid)
        }
        return domains.length === 0
      })
      await Promise.all(connections.splice(0).map((connection) => connection.close()))
    },
    close: () => room.close(),
  }
}
