/**
 * A libvirtd of its own for tests: private mounts, network and PIDs, real QEMU with emulated CPU, the shipped start hook.
 * Only its run directory is seen from outside. Killing the room's init ends everything in it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pollUntil } from '../lab/poll.ts'

const HOOK = fileURLToPath(new URL('../../systemd/libvirt-hook/qemu', import.meta.url))

/** $1 = the room's directory. fd 0 is a pipe of the test: when the test's process ends, so does the room. */
const INIT = `
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t sysfs sysfs /sys
ip link set lo up
hostname "\${1##*-}"
mount --bind "$1/run" /run
mkdir -p /run/libvirt /run/lock
mkdir "$1/var" && mount -t tmpfs tmpfs "$1/var" && mkdir "$1/var/upper" "$1/var/work" "$1/var/dev"
mount -t overlay -o "lowerdir=/var,upperdir=$1/var/upper,workdir=$1/var/work" overlay /var
mkdir -p /var/lib/libvirt /var/log/libvirt/qemu /var/cache/libvirt
mount --bind "$1/etc" /etc/libvirt
# libvirt wants its own user to exist, whoever QEMU runs as.
cp /etc/passwd /etc/group "$1"
grep -q ^libvirt-qemu: "$1/passwd" || echo 'libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin' >>"$1/passwd"
for group in libvirt-qemu:64055 kvm:64056 libvirt:64057; do
  grep -q "^\${group%:*}:" "$1/group" || echo "\${group%:*}:x:\${group#*:}:" >>"$1/group"
done
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
# A /dev without kvm: opening it may hang where nested virtualisation is missing.
dev=$1/var/dev
for name in null zero full random urandom tty; do cp -a /dev/$name "$dev/"; done
mkdir "$dev/net" "$dev/pts" "$dev/shm" && ln -s /proc/self/fd "$dev/fd"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$dev/pts" && ln -s pts/ptmx "$dev/ptmx"
mount --rbind "$dev" /dev
while :; do
  libvirtd --listen >>/run/libvirtd.log 2>&1 <&- &
  echo $! >/run/libvirtd.pid
  wait $! || true
  while [ -e /run/libvirtd.down ]; do read -r -t 0.1 <>/run/nap || true; done
done 2>>/run/room.log &
cat >/dev/null
`

/** QEMU that takes its time to start a guest, as it does while storage stalls: seconds in the file /run/stall. */
const EMULATOR = `#!/bin/sh
case " $* " in *' -uuid '*) [ -s /run/stall ] && sleep "$(cat /run/stall)" ;; esac
exec /usr/bin/qemu-system-x86_64 "$@"
`

const QEMU_CONF = `security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
`

/** Rooms on one machine must look like different hosts, or libvirt refuses to migrate between them. */
function libvirtdConf(): string {
  return `auth_unix_rw = "none"
listen_tls = 0
listen_tcp = 1
auth_tcp = "none"
host_uuid = "${randomUUID()}"
`
}

export type LibvirtdRoom = {
  readonly uri: string
  /** The room's /run. */
  readonly runDir: string
  /** Path, inside the room, of the QEMU that can stall. */
  readonly emulator: string
  /** The room's init, by the pid it has outside. */
  initPid(): Promise<number>
  /** The room's QEMU of a VM, by the pid it has outside. */
  qemuPid(uuid: string): Promise<number | undefined>
  /** Runs a command in the room. */
  run(argv: readonly string[]): Promise<void>
  /** Starts of guests take this much longer from now on. */
  stallStarts(seconds: number): Promise<void>
  /** SIGKILL; it stays down until {@link startLibvirtd}. */
  killLibvirtd(): Promise<void>
  startLibvirtd(): Promise<void>
  close(): Promise<void>
}

/** Starts a room and waits until its libvirtd answers. */
export async function openLibvirtdRoom(): Promise<LibvirtdRoom> {
  const dir = await mkdtemp(join(tmpdir(), 'pvc-libvirtd-'))
  const runDir = join(dir, 'run')
  await mkdir(join(dir, 'etc/hooks'), { recursive: true })
  await mkdir(join(runDir, 'pvc'), { recursive: true })
  await cp(HOOK, join(dir, 'etc/hooks/qemu'))
  await writeFile(join(dir, 'etc/qemu.conf'), QEMU_CONF)
  await writeFile(join(dir, 'etc/libvirtd.conf'), libvirtdConf())
  await writeFile(join(runDir, 'emulator'), EMULATOR, { mode: 0o755 })
  await once(spawn('mkfifo', [join(runDir, 'nap')]), 'exit')
  const namespaces = ['--net', '--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child']
  const init = spawn('unshare', [...namespaces, '/bin/bash', '-c', INIT, 'room', dir], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const socket = join(runDir, 'libvirt/libvirt-sock')
  const uri = `qemu+unix:///system?socket=${socket}`
  const room = roomOf({ dir, runDir, uri, init })
  try {
    await answers(uri, init)
  } catch (error) {
    const log = await readFile(join(runDir, 'libvirtd.log'), 'utf8').catch(() => 'no log')
    await room.close()
    throw new Error(`libvirtd does not answer in its room: ${log.slice(-2000)}`, { cause: error })
  }
  return room
}

type Parts = {
  readonly dir: string
  readonly runDir: string
  readonly uri: string
  readonly init: ChildProcess
}

function roomOf({ dir, runDir, uri, init }: Parts): LibvirtdRoom {
  return {
    uri,
    runDir,
    emulator: '/run/emulator',
    initPid: () => initPid(init),
    qemuPid: (uuid) => qemuPid(init, uuid),
    run: (argv) => inRoom(init, argv),
    stallStarts: (seconds) => writeFile(join(runDir, 'stall'), seconds > 0 ? `${seconds}\n` : ''),
    async killLibvirtd() {
      await writeFile(join(runDir, 'libvirtd.down'), '')
      const inner = (await readFile(join(runDir, 'libvirtd.pid'), 'utf8')).trim()
      await inRoom(init, ['kill', '-9', inner])
    },
    async startLibvirtd() {
      await rm(join(runDir, 'libvirtd.down'), { force: true })
      await answers(uri, init)
    },
    async close() {
      const ended = init.exitCode === null ? once(init, 'exit') : undefined
      // --kill-child: the room's init dies with unshare, and the kernel then kills all in its PID namespace.
      init.kill('SIGKILL')
      await ended
      await pollUntil({ what: 'the room is gone', timeoutMs: 10_000 }, async () => {
        await rm(dir, { recursive: true, force: true })
        return true
      })
    },
  }
}

async function answers(uri: string, init: ChildProcess): Promise<void> {
  await pollUntil({ what: 'libvirtd answers', timeoutMs: 20_000 }, async () => {
    if (init.exitCode !== null) throw new Error(`the room ended with ${init.exitCode}`)
    const [code] = await once(spawn('timeout', ['5', 'virsh', '-q', '-c', uri, 'list'], { stdio: 'ignore' }), 'exit')
    return code === 0
  })
}

/** Joins two rooms by a cable of their own. @returns their addresses */
export async function joinRooms(first: LibvirtdRoom, second: LibvirtdRoom): Promise<readonly [string, string]> {
  const outside = ['nsenter', '-t', `${await first.initPid()}`, '-n']
  const cable = ['ip', 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns']
  await succeed([...outside, ...cable, `${await second.initPid()}`])
  const addresses = ['10.97.0.1', '10.97.0.2'] as const
  for (const [index, room] of [first, second].entries()) {
    await room.run(['ip', 'address', 'add', `${addresses[index]}/24`, 'dev', 'cable'])
    await room.run(['ip', 'link', 'set', 'cable', 'up'])
  }
  return addresses
}

async function initPid(init: ChildProcess): Promise<number> {
  return Number((await readFile(`/proc/${init.pid}/task/${init.pid}/children`, 'utf8')).trim())
}

async function qemuPid(init: ChildProcess, uuid: string): Promise<number | undefined> {
  const room = await readlink(`/proc/${await initPid(init)}/ns/pid`)
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    // Processes end while we look.
    const args = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')
    const namespace = await readlink(`/proc/${name}/ns/pid`).catch(() => '')
    if (namespace === room && args.includes(`-uuid\0${uuid}\0`)) return Number(name)
  }
  return undefined
}

/** Runs a command in the room's namespaces. */
async function inRoom(init: ChildProcess, argv: readonly string[]): Promise<void> {
  await succeed(['nsenter', '-t', `${await initPid(init)}`, '-p', '-m', '-n', '-u', ...argv])
}

async function succeed([command = '', ...args]: readonly string[]): Promise<void> {
  const [code] = await once(spawn(command, args, { stdio: 'inherit' }), 'exit')
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`)
}
