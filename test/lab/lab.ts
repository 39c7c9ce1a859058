/** The lab as stories use it: `startLab`, `attachLab`, and one handle for everything that can be done to it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { collect } from './collect.ts'
import type { RunOptions, RunResult } from './command.ts'
import { clientEnv } from './daemons.ts'
import { buildGuest } from './guest.ts'
import {
  type DiskRecords,
  type GuestRecord,
  type Heartbeat,
  parseDiskRecords,
  parseHeartbeats,
  recordAreaBytes,
  recordProblems,
} from './guest-record.ts'
import { type GuestOptions, guestXml } from './guest-xml.ts'
import { createHost, type Host } from './host.ts'
import { endInstance, findInstance, type Instance, runInRoom } from './instance.ts'
import { bringUp, type UpOptions } from './lab-up.ts'
import { hostAddress, type NetworkName, repoDir, roomAddress } from './plan.ts'
import { pollUntil } from './poll.ts'

/** What a story may choose about its lab. `tied` (default, unless LAB_KEEP=1): it ends with the calling process. */
export type LabOptions = Partial<UpOptions>

/** A running lab. Every call has a deadline. */
export type Lab = {
  instance: Instance
  /** Instance folder outside. */
  dir: string
  hosts: readonly Host[]
  host(name: string): Host
  /** Runs argv in the machine room (all networks at .1, Ceph as administrator). */
  sh(argv: readonly string[], options?: RunOptions): Promise<RunResult>
  /** `ceph ...` as administrator, with a connect timeout. */
  ceph(args: readonly string[], options?: RunOptions): Promise<RunResult>
  /** `rbd ...` as administrator; default deadline 30 s, since rbd waits for ever on a locked image. */
  rbd(args: readonly string[], options?: RunOptions): Promise<RunResult>
  /** The `pvc` command line against the lab's API, from the machine room. */
  pvc(args: readonly string[], options?: RunOptions): Promise<RunResult>
  /** Writes a file that the machine room and every host see; returns its path, the same everywhere. */
  sharedFile(name: string, content: string | Buffer): string
  isolate(host: string, network?: NetworkName): Promise<void>
  heal(host: string, network?: NetworkName): Promise<void>
  /** Domain XML of a lab guest with this lab's monitors and image. */
  guestXml(options: Omit<GuestOptions, 'monitors' | 'image'>): Promise<string>
  /** All heartbeats of a VM from the serial logs of one host or all of them, in the order of their counter. */
  heartbeats(vm: string, host?: string): Heartbeat[]
  /** Waits for a heartbeat that satisfies `wanted` (default: written), returns the newest such. `host`: only its log. */
  waitForHeartbeat(vm: string, wait?: HeartbeatWait): Promise<Heartbeat>
  /** Records on a volume, read past any running guest. */
  diskRecords(volume: string): Promise<DiskRecords>
  /** Problems of a VM's disk against its consoles on all hosts; empty = every acknowledged write is there, one writer. */
  recordProblems(vm: string, volume: string): Promise<string[]>
  /** Copies all logs and configuration (no keys, no disks) to a folder. */
  collect(target: string): void
  down(): Promise<void>
}

/**
 * Which heartbeat to wait for, 90 s unless told: on a busy machine an emulated guest takes long to boot. `after`: only those whose counter is higher; without it heartbeats of long ago, and of
 * earlier boots, count as well.
 */
export type HeartbeatWait = {
  host?: string
  timeoutMs?: number
  after?: GuestRecord | undefined
  wanted?: (heartbeat: Heartbeat) => boolean
}

function cephPart(instance: Instance): Pick<Lab, 'ceph' | 'rbd' | 'diskRecords'> {
  return {
    ceph: (args, options) =>
      runInRoom(instance, ['ceph', '--connect-timeout', '10', ...args], { timeoutMs: 30_000, ...options }),
    rbd: (args, options) => runInRoom(instance, ['rbd', ...args], { timeoutMs: 30_000, ...options }),
    diskRecords: async (volume) => {
      // head closes the pipe after the record area; base64 because the runner reads text.
      const script = `rbd export --no-progress "$1" - 2>/dev/null | head -c ${recordAreaBytes} | base64 -w0`
      const { stdout } = await runInRoom(instance, ['bash', '-c', script, 'records', volume], { timeoutMs: 30_000 })
      return parseDiskRecords(Buffer.from(stdout, 'base64'))
    },
  }
}

/** Addresses of Ceph's monitors, for a guest's definition. */
export function guestMonitors({ layout, hosts }: Instance): readonly string[] {
  if (layout === 'central') return [roomAddress('storage')]
  return Array.from({ length: Math.min(3, hosts) }, (_, i) => hostAddress('storage', i + 1))
}

function guestPart(
  instance: Instance,
  hosts: readonly Host[],
): Pick<Lab, 'guestXml' | 'heartbeats' | 'waitForHeartbeat'> {
  const monitors = guestMonitors(instance)
  const heartbeats: Lab['heartbeats'] = (vm, host) =>
    hosts
      .filter((each) => host === undefined || each.name === host)
      .map((each) => each.serialLog(vm))
      .filter((file) => existsSync(file))
      .flatMap((file) => parseHeartbeats(readFileSync(file, 'utf8')))
      .sort((a, b) => a.c - b.c)
  return {
    heartbeats,
    guestXml: async (options) => guestXml({ ...options, monitors, image: await buildGuest() }),
    waitForHeartbeat: (
      vm,
      { host, timeoutMs = 90_000, after, wanted = (heartbeat: Heartbeat) => heartbeat.written } = {},
    ) => {
      const since = after === undefined ? '' : ` after c=${after.c} of boot ${after.boot}`
      const what = `a heartbeat of ${vm}${host === undefined ? '' : ` on ${host}`}${since}`
      return pollUntil({ what, timeoutMs }, async () =>
        heartbeats(vm, host).findLast((heartbeat) => heartbeat.c > (after?.c ?? 0) && wanted(heartbeat)),
      )
    },
  }
}

function createLab(instance: Instance): Lab {
  const hosts = Array.from({ length: instance.hosts }, (_, i) => createHost(instance, i + 1))
  const host: Lab['host'] = (name) => {
    const found = hosts.find((each) => each.name === name)
    if (found === undefined) throw new Error(`no host ${name}; there are ${hosts.map((each) => each.name).join(', ')}`)
    return found
  }
  const ceph = cephPart(instance)
  const guest = guestPart(instance, hosts)
  return {
    instance,
    dir: instance.dir,
    hosts,
    host,
    sh: (argv, options) => runInRoom(instance, argv, options),
    pvc: (args, options) => {
      const env = { ...clientEnv(instance), ...options?.env }
      return runInRoom(instance, [process.execPath, join(repoDir, 'dist/cli/pvc.cjs'), ...args], { ...options, env })
    },
    sharedFile: (name, content) => {
      const file = join(instance.dir, 'shared', name)
      writeFileSync(file, content)
      return file
    },
    isolate: (name, network) => host(name).isolate(network),
    heal: (name, network) => host(name).heal(network),
    ...ceph,
    ...guest,
    recordProblems: async (vm, volume) => {
      // Console first: what it acknowledged must be on the disk that is read after.
      const heartbeats = guest.heartbeats(vm)
      return recordProblems(await ceph.diskRecords(volume), heartbeats)
    },
    collect: (target) => collect(instance.dir, target),
    down: () => endInstance(instance.name),
  }
}

/** Builds a lab and returns when it is ready; default three hosts, central Ceph, daemons running. */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const instance = await bringUp({
    name: options.name ?? process.env['PVC_LAB_NAME'] ?? 'default',
    hosts: options.hosts ?? 3,
    layout: options.layout ?? 'central',
    daemons: options.daemons ?? true,
    tied: options.tied ?? process.env['LAB_KEEP'] !== '1',
    say: options.say ?? (() => undefined),
  })
  return createLab(instance)
}

/** Handle of a lab that runs. @throws Error when there is none of this name */
export function attachLab(name = process.env['PVC_LAB_NAME'] ?? 'default'): Lab {
  const instance = findInstance(name)
  if (instance === undefined) throw new Error(`lab ${name} is not up`)
  return createLab(instance)
}
