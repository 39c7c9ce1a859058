/** One lab instance: its outermost namespaces, how to get into them, how to end them. */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { baseEnv, type RunOptions, type RunResult, run } from './command.ts'
import { hostDir, hostName, instanceDir, type Layout, labSourceDir, labsDir } from './plan.ts'
import { pollUntil } from './poll.ts'

/** What is known of a running instance, kept in its lab.json. `pid` and `startTime` name its one outer process. */
export type Instance = {
  name: string
  dir: string
  pid: number
  startTime: string
  hosts: number
  layout: Layout
  daemons: boolean
}

/** Start time (clock ticks since boot) of a living process, undefined when it is gone: guards against reused PIDs. */
export function processStartTime(pid: number | string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie is dead with all it had; it only waits for a parent that may be slow to look.
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

/** The living outer process of an instance, also of one that is still being built. */
function livingProcess(name: string): number | undefined {
  const file = join(instanceDir(name), 'root', 'pid')
  if (!existsSync(file)) return undefined
  const [pid = '', startTime = ''] = readFileSync(file, 'utf8').trim().split(' ')
  return pid !== '' && processStartTime(pid) === startTime ? Number(pid) : undefined
}

/** True while an instance of this name runs or is being built. */
export function isAlive(name: string): boolean {
  return livingProcess(name) !== undefined
}

/** Reads an instance's lab.json; undefined when there is no such instance or it is not alive any more. */
export function findInstance(name: string): Instance | undefined {
  const file = join(instanceDir(name), 'lab.json')
  return isAlive(name) && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
}

/** True when an instance has run and its process is gone, as after SIGKILL of the test that it was tied to. */
export function isDead(name: string): boolean {
  return existsSync(join(instanceDir(name), 'lab.json')) && !isAlive(name)
}

/** Names of all instances that have a folder, alive or not. */
export function instanceNames(): string[] {
  return existsSync(labsDir()) ? readdirSync(labsDir()) : []
}

/**
 * Starts the outer namespaces with the machine room's init, whose files (root/boot.sh, root/svc) must be written.
 * @param tied the instance dies with the calling process, however that ends
 */
export async function startInstance(plan: Omit<Instance, 'pid' | 'startTime'>, tied: boolean): Promise<Instance> {
  const room = join(plan.dir, 'root')
  mkdirSync(join(room, 'log'), { recursive: true })
  const log = openSync(join(room, 'log', 'init.log'), 'a')
  const namespaces = ['unshare', '--net', '--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child']
  const init = ['bash', join(labSourceDir, 'init', 'init.sh'), 'root', room]
  const argv = [...(tied ? ['setpriv', '--pdeathsig', 'KILL'] : []), ...namespaces, ...init]
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...baseEnv },
  })
  child.unref()
  closeSync(log)
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => {
      const file = join(room, 'log', 'init.log')
      reject(
        new Error(
          `lab init ended with ${code}: ${existsSync(file) ? readFileSync(file, 'utf8').trim() : 'its folder is gone'}`,
        ),
      )
    })
  })
  failed.catch(() => undefined) // an end after the start is seen by whoever uses the lab, not here
  const [pid = '', startTime = ''] = await Promise.race([
    failed,
    pollUntil({ what: 'lab namespaces', timeoutMs: 5000, intervalMs: 10 }, async () =>
      existsSync(join(room, 'pid')) ? readFileSync(join(room, 'pid'), 'utf8').trim().split(' ') : undefined,
    ),
  ])
  const instance: Instance = { ...plan, pid: Number(pid), startTime }
  writeFileSync(join(plan.dir, 'lab.json'), `${JSON.stringify(instance, null, 2)}\n`)
  await Promise.race([
    failed,
    pollUntil({ what: 'machine room ready', timeoutMs: 10_000, intervalMs: 10 }, async () =>
      existsSync(join(room, 'ready')),
    ),
  ])
  return instance
}

/** Ends the instance: one kill, after which the kernel removes every process, mount, link and namespace; then its files. */
export async function endInstance(name: string): Promise<void> {
  const pid = livingProcess(name)
  if (pid !== undefined) {
    process.kill(pid, 'SIGKILL')
    // Init is gone only after everything in its PID namespace is.
    await pollUntil(
      { what: `end of lab ${name} (pid ${pid})`, timeoutMs: 10_000, intervalMs: 10 },
      async () => !isAlive(name),
    )
  }
  rmSync(instanceDir(name), { recursive: true, force: true })
  if (instanceNames().length === 0) rmSync(labsDir(), { recursive: true, force: true })
}

const enter = (pid: string | number): string[] => ['nsenter', '-t', String(pid), '-n', '-m', '-u', '-p', '-i', '--']

/** Words that lead a command into the machine room. */
export function intoRoom(instance: Instance): string[] {
  return enter(instance.pid)
}

/** PID of a host's first process as the machine room sees it; undefined when the host is off. */
export function hostPid(instance: Instance, index: number): string | undefined {
  try {
    return readFileSync(join(hostDir(instance.dir, index), 'pid'), 'utf8').split(' ')[0]
  } catch {
    return undefined
  }
}

/**
 * Words that lead a command into a host.
 * @throws Error when the host is off
 */
export function intoHost(instance: Instance, index: number): string[] {
  const pid = hostPid(instance, index)
  if (pid === undefined) throw new Error(`${hostName(index)} is off`)
  return [...intoRoom(instance), ...enter(pid)]
}

/** Runs a command in the machine room, with Ceph's administrator configuration. */
export function runInRoom(instance: Instance, argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const env = { CEPH_CONF: join(instance.dir, 'ceph', 'ceph.conf'), ...options.env }
  return run(intoRoom(instance), argv, { ...options, env })
}
