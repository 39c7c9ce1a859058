/**
 * A primary and two guests for tests: network namespaces of their own, the bridge vmbr100 of a guest network between them. They end
 * with the test's process.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readlinkSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createSystemClock } from '../../src/adapters/clock/system.ts'
import { FakeLog } from '../../src/adapters/fake/log.ts'
import { createPrograms } from '../../src/adapters/process/programs.ts'
import type { Programs } from '../../src/ports/programs.ts'
import { pollUntil } from '../lab/poll.ts'

const exec = promisify(execFile)

/** Called by udhcpc in a guest: takes the address, leaves the answer in a file. */
const UDHCPC = `#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip -4 addr flush dev "$interface"
ip addr add "$ip/$mask" dev "$interface"
ip route replace default via "$router"
set > "$0.$hostname.answer"
`

export type GuestNetworkRoom = {
  readonly dir: string
  /** Programs that run on the primary. */
  readonly programs: Programs
  readonly log: FakeLog
  /** Arguments of nsenter before a command on the primary. */
  readonly enterPrimary: readonly string[]
  /** Runs a command on the primary or in a guest. @throws Error when it fails */
  run(where: 'primary' | 'guest1' | 'guest2', ...argv: readonly string[]): Promise<string>
  /** Kills the programs of this room whose command line begins with the word. */
  kill(program: string): Promise<void>
  /** A guest asks for an address. @returns what it was told */
  lease(guest: 'guest1' | 'guest2', hostname: string): Promise<Readonly<Record<string, string>>>
  end(): Promise<void>
}

export const GUEST_MACS = { guest1: '52:54:00:00:00:01', guest2: '52:54:00:00:00:02' } as const

/** Opens the room; the bridge has no address yet. */
export async function openGuestNetworkRoom(): Promise<GuestNetworkRoom> {
  const dir = mkdtempSync(join(tmpdir(), 'pvc-guest-network-'))
  const names = ['primary', 'guest1', 'guest2'] as const
  const spaces = new Map(names.map((name) => [name as string, openNamespace()]))
  const own = readlinkSync('/proc/self/ns/net')
  // Until then a command would change the network of this machine.
  for (const { pid } of spaces.values())
    await pollUntil({ what: 'a network namespace', timeoutMs: 10_000, intervalMs: 5 }, async () => {
      return readlinkSync(`/proc/${pid}/ns/net`) !== own
    })
  const script = join(dir, 'udhcpc.sh')
  writeFileSync(script, UDHCPC)
  chmodSync(script, 0o755)
  const enter = (name: string) => ['--net', '--target', String(spaces.get(name)?.pid)]
  const run: GuestNetworkRoom['run'] = async (where, ...argv) => {
    const { stdout } = await exec('nsenter', [...enter(where), '--', ...argv], { timeout: 20_000 })
    return stdout
  }
  await run('primary', 'sh', '-ec', PRIMARY)
  for (const guest of ['guest1', 'guest2'] as const) {
    const peer = String(spaces.get(guest)?.pid)
    await run('primary', 'ip', 'link', 'add', guest, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', peer)
    await run('primary', 'ip', 'link', 'set', guest, 'master', 'vmbr100', 'up')
    await run(guest, 'sh', '-ec', `ip link set lo up; ip link set eth0 address ${GUEST_MACS[guest]} up`)
  }
  const log = new FakeLog()
  const clock = createSystemClock(() => process.hrtime.bigint())
  const programs = createPrograms({
    clock,
    log,
    runDir: join(dir, 'programs'),
    launcher: ['nsenter', ...enter('primary'), '--'],
  })
  return {
    dir,
    log,
    run,
    programs,
    enterPrimary: [...enter('primary'), '--'],
    async kill(program) {
      // Only ours: other rooms and labs run the same programs on this machine.
      const { stdout } = await exec('pgrep', ['-f', `^${program} .*${dir}`])
      for (const pid of stdout.trim().split('\n')) process.kill(Number(pid), 'SIGKILL')
    },
    async lease(guest, hostname) {
      const args = ['-f', '-q', '-n', '-t', '5', '-T', '1', '-i', 'eth0', '-s', script, '-x', `hostname:${hostname}`]
      await run(guest, 'busybox', 'udhcpc', ...args, '-O', 'mtu', '-O', 'staticroutes', '-O', 'search')
      const { stdout } = await exec('sh', ['-c', `cat ${script}.*answer; rm ${script}.*answer`])
      return Object.fromEntries([...stdout.matchAll(/^(\w+)='(.*)'$/gm)].map(([, name, value]) => [name, value]))
    },
    async end() {
      for (const { child } of spaces.values()) child.kill('SIGKILL')
      for (const each of [dir, `${dir}-dns`]) await rm(each, { recursive: true, force: true })
    },
  }
}

const PRIMARY = `
ip link set lo up
ip link add vmbr100 address 02:00:00:64:00:01 type bridge
ip link set vmbr100 addrgenmode none
sysctl -qw net.ipv6.conf.vmbr100.accept_dad=0 net.ipv6.conf.vmbr100.ndisc_notify=1 net.ipv6.conf.vmbr100.accept_ra=0
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip link set vmbr100 up
`

/** A network namespace that lives as long as its process, which ends when ours does. */
function openNamespace(): { readonly child: ChildProcess; readonly pid: number } {
  const child = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] })
  if (child.pid === undefined) throw new Error('unshare could not be started')
  return { child, pid: child.pid }
}
