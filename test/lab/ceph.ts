/** Starting the lab's real Ceph cluster. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CephDaemon, CephPlan } from './ceph-files.ts'
import type { RunOptions, RunResult } from './command.ts'
import { run } from './command.ts'
import { putService } from './host-files.ts'
import { type Instance, intoHost, runInRoom } from './instance.ts'
import { hostDir, labSourceDir } from './plan.ts'
import { pollUntil } from './poll.ts'

function homeOf(instance: Instance, daemon: CephDaemon): string {
  return daemon.host === undefined ? join(instance.dir, 'root') : hostDir(instance.dir, daemon.host)
}

/** Runs a command where a daemon lives, with the daemons' configuration. */
function runAt(
  instance: Instance,
  daemon: CephDaemon,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  if (daemon.host === undefined) return runInRoom(instance, argv, options)
  const env = { CEPH_CONF: join(instance.dir, 'ceph', 'ceph.conf'), ...options.env }
  return run(intoHost(instance, daemon.host), argv, { ...options, env })
}

/** Declares Ceph's services; they start when their namespace boots (`enabled`) or by `svc start`. */
export function putCephServices(dir: string, plan: CephPlan, hostsDir: (host: number) => string): void {
  const conf = join(plan.dir, 'ceph.conf')
  const home = (daemon: CephDaemon): string => (daemon.host === undefined ? join(dir, 'root') : hostsDir(daemon.host))
  for (const monitor of plan.monitors) {
    putService(home(monitor), `ceph-mon-${monitor.id}`, `exec ceph-mon -c ${conf} -i ${monitor.id} -f`, false)
  }
  for (const osd of plan.osds)
    putService(home(osd), `ceph-osd-${osd.id}`, `exec ceph-osd -c ${conf} -i ${osd.id} -f`, false)
  putService(join(dir, 'root'), 'ceph-mgr-x', `exec ceph-mgr -c ${conf} -i x -f`, false)
}

/** Starts a service now and at every later boot of its namespace. */
async function enable(instance: Instance, daemon: CephDaemon, service: string): Promise<void> {
  writeFileSync(join(homeOf(instance, daemon), 'svc', service, 'enabled'), '')
  await runAt(instance, daemon, ['bash', join(labSourceDir, 'init/svc.sh'), 'start', service], { timeoutMs: 10_000 })
}

async function makeOsd(instance: Instance, plan: CephPlan, osd: CephPlan['osds'][number]): Promise<void> {
  mkdirSync(join(plan.dir, `osd.${osd.id}`), { recursive: true })
  const store = [
    'ceph-osd',
    '-i',
    osd.id,
    '--mkfs',
    '--no-mon-config',
    '--osd-uuid',
    osd.uuid,
    '--monmap',
    join(plan.dir, 'monmap'),
  ]
  const input = JSON.stringify({ cephx_secret: osd.key })
  await Promise.all([
    runAt(instance, osd, store),
    // Waits in the client until the monitors have a quorum.
    runInRoom(instance, ['ceph', '--connect-timeout', '30', 'osd', 'new', osd.uuid, osd.id, '-i', '-'], { input }),
  ])
  await enable(instance, osd, `ceph-osd-${osd.id}`)
}

/** Makes the stores, starts all daemons, and returns when every OSD is up. The hosts must be on when they carry any. */
export async function startCeph(instance: Instance, plan: CephPlan): Promise<void> {
  const monmap = join(plan.dir, 'monmap')
  const names = plan.monitors.flatMap((m) => ['--addv', m.id, `[v2:${m.address}:3300,v1:${m.address}:6789]`])
  await runInRoom(instance, ['monmaptool', '--create', '--clobber', ...names, '--fsid', plan.fsid, monmap])
  await Promise.all(
    plan.monitors.map(async (monitor) => {
      const data = join(plan.dir, `mon.${monitor.id}`)
      mkdirSync(data, { recursive: true })
      const files = ['--monmap', monmap, '--keyring', join(plan.dir, 'keyring.initial')]
      await runAt(instance, monitor, ['ceph-mon', '-i', monitor.id, '--mkfs', ...files])
      cpSync(join(plan.dir, `keyring.mon.${monitor.id}`), join(data, 'keyring'))
      await enable(instance, monitor, `ceph-mon-${monitor.id}`)
    }),
  )
  const room = { id: 'x', host: undefined, address: '' }
  await Promise.all([enable(instance, room, 'ceph-mgr-x'), ...plan.osds.map((osd) => makeOsd(instance, plan, osd))])
  await pollUntil({ what: 'all OSDs up', timeoutMs: 60_000, intervalMs: 100 }, async () => {
    const { stdout } = await runInRoom(instance, ['ceph', '--connect-timeout', '10', 'osd', 'stat', '-f', 'json'], {
      timeoutMs: 15_000,
    })
    const seen: { num_up_osds: number } = JSON.parse(stdout)
    return seen.num_up_osds === plan.osds.length
  })
}
