/** Starting the PVC daemons of a lab, the first API token, and the connection of the lab's `pvc`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Host } from './host.ts'
import { hostServices, put } from './host-files.ts'
import { type Instance, runInRoom } from './instance.ts'
import { coordinators, hostAddress, repoDir } from './plan.ts'
import { pollUntil } from './poll.ts'

/** Name of the stored connection; the lab's `pvc` uses it by PVC_CONNECTION. */
export const connectionName = 'lab'
const apiPort = 7370
const cli = join(repoDir, 'dist/cli/pvc.cjs')

/** Environment of a `pvc` that talks to this lab. */
export function clientEnv(instance: Instance): Record<string, string> {
  return { PVC_CLIENT_DIR: join(instance.dir, 'client'), PVC_CONNECTION: connectionName }
}

/** @throws Error when the build lacks a daemon, before anything is started */
export function requireBuild(): void {
  const built = ['dist/bin/pvcnoded.js', 'dist/bin/pvcapid.js', 'dist/cli/pvc.cjs', 'native/guard/build/pvc-guard']
  const missing = built.filter((file) => !existsSync(join(repoDir, file)))
  if (missing.length > 0) throw new Error(`${missing.join(', ')} not built: run npm run build, or lab up --no-daemons`)
}

/** Starts a host's daemons now and at every later boot. */
async function enableDaemons(host: Host, hosts: number): Promise<void> {
  const daemons = hostServices(host.index, hosts).filter((service) => service.startsWith('pvc'))
  for (const daemon of daemons) writeFileSync(join(host.dir, 'svc', daemon, 'enabled'), '')
  await Promise.all(daemons.map((daemon) => host.service(daemon, 'start')))
}

/** The token that a coordinator's pvcapid makes for root on its machine as soon as ZooKeeper serves. */
async function localToken(host: Host): Promise<string> {
  const file = join(host.dir, 'fs/etc/pvc/api-token')
  const what = `the API token of ${host.name} (log: ${host.log('pvcapid')})`
  return pollUntil({ what, timeoutMs: 30_000, intervalMs: 50 }, async () =>
    existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined,
  )
}

function writeConnections(instance: Instance, hosts: readonly Host[], token: string): void {
  const members = coordinators(instance.hosts)
  const addresses = members.map((index) => hostAddress('cluster', index)).join(',')
  const connection = { description: 'This lab', host: addresses, port: apiPort, scheme: 'http', api_key: token }
  put(join(instance.dir, 'client/pvc.json'), `${JSON.stringify({ [connectionName]: connection }, null, 2)}\n`, 0o600)
  for (const host of hosts.filter(({ index }) => !members.includes(index))) {
    put(join(host.dir, 'fs/etc/pvc/api-token'), `${token}\n`, 0o600)
  }
}

/** Starts all daemons and returns when the API shows every node in daemon state run. */
export async function startDaemons(instance: Instance, hosts: readonly Host[]): Promise<void> {
  const [first] = hosts
  if (first === undefined) throw new Error('no hosts')
  await Promise.all(hosts.map((host) => enableDaemons(host, instance.hosts)))
  writeConnections(instance, hosts, await localToken(first))
  const list = [process.execPath, cli, '-q', 'node', 'list', '-f', 'json']
  await pollUntil(
    { what: `${hosts.length} nodes in daemon state run`, timeoutMs: 60_000, intervalMs: 200 },
    async () => {
      const { stdout } = await runInRoom(instance, list, { timeoutMs: 10_000, env: clientEnv(instance) })
      const nodes: { daemon_state: string }[] = JSON.parse(stdout)
      return nodes.length === hosts.length && nodes.every((node) => node.daemon_state === 'run')
    },
  )
}
