/** Building a lab: files first, then everything that can run side by side. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { putCephServices, startCeph } from './ceph.ts'
import { planCeph, writeCephFiles } from './ceph-files.ts'
import { collect, failureDir } from './collect.ts'
import { requireBuild, startDaemons } from './daemons.ts'
import { buildGuest } from './guest.ts'
import { createHost, type Host } from './host.ts'
import { put, writeHostFiles, zooKeeperMembers } from './host-files.ts'
import { endInstance, type Instance, instanceNames, isAlive, isDead, runInRoom, startInstance } from './instance.ts'
import { cacheDir, hostDir, hostName, instanceDir, type Layout, maxHosts, repoDir } from './plan.ts'
import { pollUntil } from './poll.ts'
import { writeRoomFiles } from './room-files.ts'

/** What to build. */
export type UpOptions = {
  name: string
  hosts: number
  layout: Layout
  /** Start pvcnoded and pvcapid. Without, libvirt gets the guests' Ceph key from the lab. */
  daemons: boolean
  /** The lab ends with the calling process, however that ends. */
  tied: boolean
  /** Receives one line per finished step. */
  say: (line: string) => void
}

async function serving(host: Host, what: string, argv: readonly string[], timeoutMs: number): Promise<void> {
  await pollUntil({ what: `${what} on ${host.name}`, timeoutMs, intervalMs: 100 }, async () => {
    await host.sh(argv, { timeoutMs: 5000 })
    return true
  })
}

async function bootHosts(instance: Instance): Promise<Host[]> {
  const hosts = Array.from({ length: instance.hosts }, (_, i) => createHost(instance, i + 1))
  await Promise.all(hosts.map((host) => host.power('on')))
  return hosts
}

/**
 * Waits until every server serves as a member of one ensemble: a server that runs alone, for whatever reason, would look
 * healthy and hold a tree of its own. Asks from the machine room: the lab's addresses do not exist outside.
 */
async function zooKeeperServes(instance: Instance): Promise<void> {
  const members = zooKeeperMembers(instance.hosts)
  const wanted = members.length > 1 ? 'leader|follower' : 'leader|standalone'
  const ask = 'exec 3<>"/dev/tcp/$1/$2" && printf srvr >&3 && grep -qE "^Mode: ($3)" <&3'
  await Promise.all(
    members.map((m) =>
      pollUntil(
        { what: `ZooKeeper on ${hostName(m.id)} as ${wanted}`, timeoutMs: 30_000, intervalMs: 100 },
        async () => {
          const argv = ['bash', '-c', ask, 'ask', m.address, String(m.clientPort), wanted]
          await runInRoom(instance, argv, { timeoutMs: 2000 })
          return true
        },
      ),
    ),
  )
}

function writeFiles(options: UpOptions): ReturnType<typeof planCeph> {
  const dir = instanceDir(options.name)
  mkdirSync(dir, { recursive: true })
  mkdirSync(cacheDir, { recursive: true })
  const plan = planCeph(dir, options.hosts, options.layout)
  writeRoomFiles(dir, options.hosts)
  const clusterKey = randomBytes(32).toString('base64')
  for (let index = 1; index <= options.hosts; index++) writeHostFiles(dir, index, { ...options, clusterKey })
  writeCephFiles(dir, plan, options.hosts, options.layout, !options.daemons)
  putCephServices(dir, plan, (host) => hostDir(dir, host))
  const shown = [repoDir, cacheDir, plan.dir, join(dir, 'shared')]
  mkdirSync(join(dir, 'shared'), { recursive: true })
  put(join(dir, 'binds'), `${shown.join('\n')}\n`)
  return plan
}

/** Saves the logs of a lab that did not come up; failing to do so must not hide why. */
function keepLogs(name: string, say: UpOptions['say']): void {
  if (!isAlive(name)) return // interrupted by its owner
  const target = failureDir(name)
  try {
    collect(instanceDir(name), target)
    say(`the logs are in ${target}`)
  } catch (error) {
    say(`the logs could not be saved: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/**
 * Builds and starts a lab. On any error everything is taken down again.
 * @throws Error when an instance of this name lives, or a step misses its deadline
 */
export async function bringUp(options: UpOptions): Promise<Instance> {
  if (process.getuid?.() !== 0) throw new Error('the lab needs root: it makes namespaces and network devices')
  if (options.hosts < 1 || options.hosts > maxHosts) throw new Error(`hosts: 1 to ${maxHosts}`)
  if (isAlive(options.name)) throw new Error(`lab ${options.name} is already up`)
  if (options.daemons) requireBuild()
  const start = performance.now()
  const step = async <T>(what: string, work: Promise<T>): Promise<T> => {
    const begin = performance.now()
    const result = await work
    const [total, own] = [performance.now() - start, performance.now() - begin].map((ms) => (ms / 1000).toFixed(1))
    options.say(`${String(total).padStart(6)} s  ${what} (${own} s)`)
    return result
  }
  for (const dead of [options.name, ...instanceNames().filter(isDead)]) {
    rmSync(instanceDir(dead), { recursive: true, force: true })
  }
  const plan = writeFiles(options)
  const { name, hosts: count, layout, daemons } = options
  try {
    const instance = await step(
      'machine room: switches, DHCP, BMCs',
      startInstance({ name, dir: instanceDir(name), hosts: count, layout, daemons }, options.tied),
    )
    const ceph = (): Promise<void> =>
      step(`Ceph, ${layout}: ${plan.monitors.length} mon, ${plan.osds.length} osd`, startCeph(instance, plan))
    const central = layout === 'central' ? ceph() : Promise.resolve()
    central.catch(() => undefined) // awaited below, after the hosts
    const hosts = await step(`${count} hosts`, bootHosts(instance))
    await Promise.all([
      layout === 'central' ? central : ceph(),
      step('guest image', buildGuest()),
      step('ZooKeeper serves', zooKeeperServes(instance)),
      step(
        'libvirt answers',
        Promise.all(hosts.map((host) => serving(host, 'libvirt', ['virsh', '-q', 'uri'], 30_000))),
      ),
    ])
    if (daemons) await step('pvcnoded and pvcapid: every node runs', startDaemons(instance, hosts))
    return instance
  } catch (error) {
    if (process.env['LAB_KEEP'] === '1' && isAlive(name)) throw error
    keepLogs(name, options.say)
    await endInstance(name)
    throw error
  }
}
