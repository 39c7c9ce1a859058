/** Two hosts between which guests are copied: two fakes, or two libvirtds joined by a cable. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeMigrationNetwork } from '../../src/adapters/fake/migration.ts'
import type { VmUuid } from '../../src/model/ids.ts'
import { fakeHypervisorWorld, type HypervisorWorld, worldOf } from './hypervisor-world.ts'
import { joinRooms, openLibvirtdRoom } from './libvirtd-room.ts'

/** A start of QEMU on a busy machine. */
const START_MS = 30_000

export type MigrationWorld = {
  readonly source: HypervisorWorld
  readonly target: HypervisorWorld
  readonly targetAddress: string
  /** Nobody has this address. */
  readonly nowhereAddress: string
  /** Definition of a guest that changes its memory all the time. */
  xml(uuid: VmUuid, name: string): string
  /** The next copy lasts for many seconds, if it is also told to use 2 MiB/s. */
  slowNextCopy(): void
  reset(): Promise<void>
  close(): Promise<void>
}

/** Two fakes on real time. */
export function fakeMigrationWorld(): MigrationWorld {
  const migrations = new FakeMigrationNetwork()
  const source = fakeHypervisorWorld({ migrations, address: '10.97.0.1' })
  const target = fakeHypervisorWorld({ migrations, address: '10.97.0.2' })
  return {
    source,
    target,
    targetAddress: '10.97.0.2',
    nowhereAddress: '10.97.0.9',
    xml: (uuid, name) => source.xml(uuid, name),
    slowNextCopy: () => migrations.plan({ copyMs: 30_000 }),
    async reset() {
      await Promise.all([source.reset(), target.reset()])
    },
    close: async () => undefined,
  }
}

/**
 * Boot sector of a guest that fills 16 MiB from 1 MiB on, with another word in each round: into protected mode, then
 * `mov edi,100000h; mov ecx,400000h; inc eax; rep stosd` for ever.
 */
const BUSY_GUEST = Buffer.from(
  'fa31c08ed80f0116487c0f20c00c010f22c0ea177c080066b810008ed88ec0fcbf00001000b90000400040f3abebf190' +
    '0000000000000000ffff0000009acf00ffff00000092cf001700307c0000',
  'hex',
)
const FLOPPY_BYTES = 1_474_560

/** Two libvirtds with real QEMU processes. */
export async function libvirtMigrationWorld(): Promise<MigrationWorld> {
  const dir = await mkdtemp(join(tmpdir(), 'pvc-migration-'))
  const floppy = join(dir, 'busy.img')
  const image = Buffer.alloc(FLOPPY_BYTES)
  BUSY_GUEST.copy(image)
  image.writeUInt16BE(0x55aa, 510)
  await writeFile(floppy, image)
  const rooms = await Promise.all([openLibvirtdRoom(), openLibvirtdRoom()])
  const [, targetAddress] = await joinRooms(...rooms)
  const [source, target] = [worldOf(rooms[0], START_MS), worldOf(rooms[1], START_MS)]
  // libvirt takes a disk that is only read for safe to migrate.
  const disk = `<disk type='file' device='floppy'><driver name='qemu' type='raw'/><source file='${floppy}'/><target dev='fda' bus='fdc'/><readonly/></disk>`
  return {
    source,
    target,
    targetAddress,
    nowhereAddress: '10.97.0.9',
    xml: (uuid, name) =>
      source.xml(uuid, name).replace('</type>', "</type><boot dev='fd'/>").replace('<memballoon', `${disk}<memballoon`),
    slowNextCopy: () => undefined,
    async reset() {
      await Promise.all([source.reset(), target.reset()])
    },
    async close() {
      await Promise.all(rooms.map((room) => room.close()))
      await rm(dir, { recursive: true, force: true })
    },
  }
}
