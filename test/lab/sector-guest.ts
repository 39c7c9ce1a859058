/**
 * The smallest guest that a recovery has all its work with: a boot sector that counts its own starts on its disk, which
 * takes the lock of its volume, and halts for ever. It needs 0.1 s of processor time to get there and none afterwards, so
 * that fifty of them fit on a machine that emulates them.
 */
import { guestMonitors, type Lab } from './lab.ts'
import { ensurePool, type MovedGuest, volumeOf } from './moved-guest.ts'
import { secretUuid } from './plan.ts'
import { pollUntil } from './poll.ts'
import { expectThat } from './story.ts'

const SECTOR_BYTES = 512
/** Where the sector counts its starts: a word of 16 bits, little end first. */
const COUNTER_AT = 0x1f0
const VOLUME_BYTES = 4 * 1024 * 1024
/** As the product makes its volumes. */
const FEATURES = 'layering,exclusive-lock,object-map,fast-diff,deep-flatten'
/** Touched by nobody, so it costs nothing; with less a target that has a little more room than another would be given all. */
const MEMORY_MIB = 128
/** Calls of the command line at the same time while guests are made; each is a program of its own. */
const PARALLEL = 4

/** Loaded at 0x7c00; the BIOS leaves the number of the boot disk in DL. */
export function bootSector(): Buffer {
  const sector = Buffer.alloc(SECTOR_BYTES)
  const code = [
    ...[0x31, 0xc0], // xor ax, ax
    ...[0x8e, 0xd8], // mov ds, ax
    ...[0x8e, 0xc0], // mov es, ax
    ...[0x8e, 0xd0], // mov ss, ax
    ...[0xbc, 0x00, 0x7c], // mov sp, 0x7c00
    ...[0xff, 0x06, 0xf0, 0x7d], // inc word [0x7c00 + COUNTER_AT]
    ...[0xbe, 0x20, 0x7c], // mov si, 0x7c20
    ...[0xb8, 0x00, 0x43], // mov ax, 0x4300: write sectors
    ...[0xcd, 0x13], // int 0x13
    0xfa, // cli
    0xf4, // hlt
    ...[0xeb, 0xfd], // back to hlt
  ]
  // What to write, at 0x7c20: one sector, from 0:0x7c00, to the first of the disk.
  const packet = [0x10, 0, 1, 0, 0x00, 0x7c, 0, 0, ...Array<number>(8).fill(0)]
  sector.set(code, 0)
  sector.set(packet, 0x20)
  sector.set([0x55, 0xaa], SECTOR_BYTES - 2)
  return sector
}

function sectorGuestXml(lab: Lab, guest: MovedGuest): string {
  const hosts = guestMonitors(lab.instance).map((address) => `<host name='${address}' port='6789'/>`)
  return `<domain type='qemu'>
  <name>${guest.name}</name>
  <uuid>${guest.uuid}</uuid>
  <memory unit='MiB'>${MEMORY_MIB}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>
  <features><acpi/><tcg><tb-cache unit='MiB'>8</tb-cache></tcg></features>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/local/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw' cache='writeback' discard='unmap'/>
      <auth username='libvirt'><secret type='ceph' uuid='${secretUuid}'/></auth>
      <source protocol='rbd' name='${volumeOf(guest)}'>${hosts.join('')}</source>
      <target dev='vda' bus='virtio'/>
    </disk>
    <memballoon model='none'/>
  </devices>
</domain>
`
}

/** For each guest one line: its name, and what the script printed with `$1` as its volume. */
async function ofVolumes(lab: Lab, guests: readonly MovedGuest[], script: string): Promise<Map<string, string>> {
  const each = `for name; do set -- "vms/$name"; printf '%s ' "$name"; ${script}; echo; done`
  const options = { timeoutMs: 60_000 + guests.length * 2000 }
  const { stdout } = await lab.sh(['bash', '-c', each, 'volumes', ...guests.map(({ name }) => name)], options)
  const lines = stdout.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]))
  return new Map(lines.map((line): [string, string] => [line.split(' ')[0] ?? '', line.slice(line.indexOf(' ') + 1)]))
}

/** How often each guest has started, by its disk. */
export async function startsCounted(lab: Lab, guests: readonly MovedGuest[]): Promise<ReadonlyMap<string, number>> {
  const read = `rbd export --no-progress "$1" - 2>/dev/null | od -An -tu2 -j${COUNTER_AT} -N2 | tr -d '\\n'`
  return new Map([...(await ofVolumes(lab, guests, read))].map(([name, count]) => [name, Number(count)]))
}

/** Guests whose volume is not locked by a client at `host`. */
async function notLockedBy(lab: Lab, guests: readonly MovedGuest[], host: string): Promise<readonly string[]> {
  const locks = await ofVolumes(lab, guests, 'rbd lock ls "$1" --format json')
  const address = `"${lab.host(host).address('storage')}:`
  return guests.flatMap(({ name }) => {
    const listed = locks.get(name) ?? ''
    // Silence is not the answer that nobody holds it.
    if (!listed.startsWith('[')) throw new Error(`the locks of ${name} could not be listed: ${listed}`)
    return listed.includes(address) ? [] : [name]
  })
}

/** Makes guests at a host and waits until each has written to its volume, and so holds its lock. */
export async function settleSectorGuests(lab: Lab, guests: readonly MovedGuest[], host: string): Promise<void> {
  await ensurePool(lab)
  const image = Buffer.alloc(VOLUME_BYTES)
  image.set(bootSector())
  const file = lab.sharedFile('sector.img', image)
  const names = [...guests]
  const makeAll = async () => {
    for (let guest = names.shift(); guest !== undefined; guest = names.shift()) {
      await lab.rbd(['import', '--no-progress', '--image-feature', FEATURES, file, volumeOf(guest)])
      const definition = lab.sharedFile(`${guest.name}.xml`, sectorGuestXml(lab, guest))
      await lab.pvc(['-q', 'vm', 'define', '-t', host, definition])
      await lab.pvc(['-q', 'vm', 'start', guest.name])
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, makeAll))
  await untilLockedBy(lab, guests, host)
}

async function untilLockedBy(lab: Lab, guests: readonly MovedGuest[], host: string): Promise<void> {
  const options = { what: `the volumes of ${guests.length} guests locked by ${host}`, timeoutMs: 300_000 }
  await pollUntil({ ...options, intervalMs: 2000 }, async () => (await notLockedBy(lab, guests, host)).length === 0)
}

/** Each has started once more than `before`, so it wrote elsewhere, and the dead host's locks are gone. */
export async function expectStartedOnce(
  lab: Lab,
  guests: readonly MovedGuest[],
  dead: string,
  before: ReadonlyMap<string, number>,
): Promise<void> {
  const what = `another start of each of ${guests.length} guests, told by its disk`
  await pollUntil({ what, timeoutMs: 120_000, intervalMs: 2000 }, async () => {
    const now = await startsCounted(lab, guests)
    return guests.every(({ name }) => (now.get(name) ?? 0) > (before.get(name) ?? 0))
  })
  const now = await startsCounted(lab, guests)
  const wrong = guests.filter(({ name }) => now.get(name) !== (before.get(name) ?? 0) + 1)
  expectThat(wrong.length === 0, `started more than once: ${wrong.map(({ name }) => name).join(', ')}`)
  const free = await notLockedBy(lab, guests, dead)
  expectThat(free.length === guests.length, `${guests.length - free.length} volumes are still locked by ${dead}`)
}
