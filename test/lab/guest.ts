/** The lab's tiny guest: Debian's kernel and a busybox initial file system, built once into the cache. */
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { run } from './command.ts'
import { cacheDir, labSourceDir } from './plan.ts'

/** Paths of the built guest. */
export type GuestImage = { kernel: string; initrd: string; initrdWithAgent: string }

const cache = join(cacheDir, 'guest')
const busybox = '/bin/busybox'
// insmod has no dependency resolution, so the list is in loading order. What is missing is built in.
const modules = [
  ...['virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci', 'virtio_blk'],
  ...['failover', 'net_failover', 'virtio_net', 'button', 'evdev', 'virtio_console', 'virtio_balloon'],
  'virtio-rng',
]
const applets = [
  'sh mount insmod sleep cat echo ls dd head printf udhcpc ip ifconfig route poweroff reboot grep cut tr sync mkdir test stty',
  // Not for its own init: what stories run in it through the agent.
  'ping ping6 wget nslookup nc arping hostname kill tail wc sed awk udhcpc6',
].join(' ')

const sh = (script: string, timeoutMs = 120_000): Promise<{ stdout: string }> =>
  run([], ['bash', '-euo', 'pipefail', '-c', script], { timeoutMs })

/** Downloads a package without installing it (its scripts would set up a boot loader or a service) and unpacks it. */
export async function unpack(name: string, into: string): Promise<void> {
  const folder = join(cache, 'packages')
  mkdirSync(folder, { recursive: true })
  const have = readdirSync(folder).find((file) => file.startsWith(`${name}_`))
  // _apt cannot write here; downloading as root is what apt then does anyway, with a warning.
  if (have === undefined) await sh(`cd ${folder} && apt-get -o APT::Sandbox::User=root -qq download ${name}`, 300_000)
  const file = have ?? readdirSync(folder).find((each) => each.startsWith(`${name}_`))
  if (file === undefined) throw new Error(`package ${name} cannot be downloaded; run apt-get update`)
  await run([], ['dpkg', '-x', join(folder, file), into], { timeoutMs: 120_000 })
}

/** Real name of the kernel package: the one already downloaded, else what Debian's current metapackage points to. */
async function kernelPackage(): Promise<string> {
  const folder = join(cache, 'packages')
  const have = existsSync(folder)
    ? readdirSync(folder).find((file) => /^linux-image-[0-9].*_amd64\.deb$/.test(file))
    : undefined
  if (have !== undefined) return have.split('_')[0] ?? have
  const { stdout } = await sh('apt-cache depends linux-image-amd64')
  const name = /Depends: (linux-image-[0-9]\S+)/.exec(stdout)?.[1]
  if (name === undefined) throw new Error('linux-image-amd64 is not known to apt; run apt-get update')
  return name
}

async function copyModules(tree: string, root: string): Promise<void> {
  const { stdout } = await sh(`find ${tree}/lib/modules -name '*.ko*'`)
  const files = new Map(
    stdout
      .trim()
      .split('\n')
      .map((file) => [basename(file).replace(/\.ko.*$/, ''), file]),
  )
  const order: string[] = []
  mkdirSync(join(root, 'mod'))
  for (const name of modules) {
    const file = files.get(name)
    if (file === undefined) continue
    const target = join(root, 'mod', `${name}.ko`)
    if (file.endsWith('.xz')) await sh(`xz -dc ${file} > ${target}`)
    else cpSync(file, target)
    order.push(`${name}.ko`)
  }
  writeFileSync(join(root, 'mod/order'), `${order.join('\n')}\n`)
}

function pack(root: string, file: string): Promise<unknown> {
  return sh(`cd ${root} && find . | cpio -o -H newc --quiet --owner=0:0 | gzip -1 > ${file}`)
}

async function addAgent(root: string, tree: string): Promise<void> {
  await unpack('qemu-guest-agent', tree)
  const agent = join(tree, 'usr/sbin/qemu-ga')
  cpSync(agent, join(root, 'bin/qemu-ga'))
  const { stdout } = await sh(`ldd ${agent}`)
  if (stdout.includes('not found')) throw new Error(`libraries of qemu-guest-agent are missing here:\n${stdout}`)
  for (const library of stdout.match(/\/\S+\.so\S*/g) ?? []) {
    mkdirSync(dirname(join(root, library)), { recursive: true })
    cpSync(library, join(root, library), { dereference: true })
  }
}

/**
 * The kernel without its compression. QEMU enters it directly (PVH), which saves the emulated CPU more than half of
 * the way to the first heartbeat: 1.7 instead of 4.0 s of processor time, measured with QEMU 7.2.
 */
async function unpackKernel(bzImage: string, target: string): Promise<void> {
  const image = readFileSync(bzImage)
  // x86 boot protocol: number of 512-byte set-up sectors, then where the payload lies behind them.
  const start = (image.readUInt8(0x1f1) + 1) * 512 + image.readUInt32LE(0x248)
  const payload = image.subarray(start, start + image.readUInt32LE(0x24c))
  if (!payload.subarray(0, 6).equals(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]))) {
    cpSync(bzImage, target) // not xz, as Debian's is: slower, but it boots
    return
  }
  writeFileSync(`${target}.xz`, payload)
  // The payload is followed by its length, which --single-stream leaves alone.
  await sh(`xz -dc --single-stream ${target}.xz > ${target}`)
  rmSync(`${target}.xz`)
}

async function assemble(work: string, kernel: string): Promise<void> {
  const [tree, root] = [join(work, 'tree'), join(work, 'root')]
  for (const folder of ['bin', 'proc', 'sys', 'dev', 'etc', 'tmp', 'run', 'sbin'])
    mkdirSync(join(root, folder), { recursive: true })
  await unpack(kernel, tree)
  cpSync(busybox, join(root, 'bin/busybox'))
  for (const applet of applets.split(' ')) symlinkSync('busybox', join(root, 'bin', applet))
  cpSync(join(labSourceDir, 'guest/init'), join(root, 'init'))
  cpSync(join(labSourceDir, 'guest/udhcpc.sh'), join(root, 'etc/udhcpc.sh'))
  cpSync(join(labSourceDir, 'guest/shutdown'), join(root, 'sbin/shutdown'))
  await sh(`chmod 755 ${root}/init ${root}/etc/udhcpc.sh ${root}/sbin/shutdown`)
  await copyModules(tree, root)
  await unpackKernel(join(tree, 'boot', kernel.replace('linux-image', 'vmlinuz')), join(work, 'vmlinux'))
  await pack(root, join(work, 'initrd'))
  await addAgent(root, join(work, 'agent'))
  await pack(root, join(work, 'initrd-agent'))
  for (const folder of ['tree', 'root', 'agent']) rmSync(join(work, folder), { recursive: true })
}

/** Builds the guest unless the cache has it for these scripts, this kernel and this busybox; a second call takes ms. */
export async function buildGuest(): Promise<GuestImage> {
  mkdirSync(cache, { recursive: true })
  const kernel = await kernelPackage()
  const key = createHash('sha256')
    .update('vmlinux')
    .update(kernel)
    .update(readFileSync(busybox))
    .update(modules.join())
    .update(applets)
  for (const file of ['init', 'udhcpc.sh', 'shutdown']) key.update(readFileSync(join(labSourceDir, 'guest', file)))
  const dir = join(cache, key.digest('hex').slice(0, 16))
  if (!existsSync(dir)) {
    const work = mkdtempSync(join(cache, 'build-'))
    try {
      await assemble(work, kernel)
      // The folder appears whole or not at all, also when two labs build at once.
      if (existsSync(dir)) rmSync(work, { recursive: true })
      else renameSync(work, dir)
    } catch (error) {
      rmSync(work, { recursive: true, force: true })
      throw error
    }
  }
  return { kernel: join(dir, 'vmlinux'), initrd: join(dir, 'initrd'), initrdWithAgent: join(dir, 'initrd-agent') }
}

if (process.argv[1] !== undefined && import.meta.filename === process.argv[1]) {
  const image = await buildGuest()
  console.log(`guest: ${dirname(image.kernel)}`)
}
