/** Starting the PVC daemons of a lab, the first API token, and the connection of the lab's `pvc`. */
import { existsSync, writeFileSync } from 'node:fs'
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
  const missing = ['dist/bin/pvcnoded.js', 'dist/bin/pvcapid.js', 'dist/cli/pvc.cjs'].filter(
    (file) => !existsSync(join(repoDir, file)),
  )
  if (missing.length > 0) throw new Error(`${missing.join(', ')} not built: run npm run build, or lab up --no-daemons`)
}

/** Starts a host's daemons now and at every later boot. */
async function enableDaemons(host: Host, hosts: number): Promise<void> {
  const daemons = hostServices(host.index, hosts).filter((service) => service.startsWith('pvc'))
  for (const daemon of daemons) writeFileSync(join(host.dir, 'svc', daemon, 'enabled'), '')
  await Promise.all(daemons.map((daemon) => host.service(daemon, 'start')))
}

/** Makes the first token as an operator would, on a coordinator; tried until ZooKeeper and the daemon are ready. */
async function firstToken(host: Host): Promise<string> {
  const program = [process.execPath, join(repoDir, 'dist/bin/pvcapid.js'), '--config', '/etc/pvc/pvc.yaml']
  return pollUntil({ what: `an API token from ${host.name}`, timeoutMs: 30_000, intervalMs: 250 }, async () => {
    const { stdout } = await host.sh([...program, '--create-token', 'admin'], { timeoutMs: 10_000 })
    return /^[\w-]{43}$/m.exec(stdout)?.[0]
  })
}

function writeConnections(instance: Instance, hosts: readonly Host[], token: string): void {
  const addresses = coordinators(instance.hosts).map((index) => hostAddress('cluster', index))
  const connection = {
    description: 'This lab',
    host: addresses.join(','),
    port: apiPort,
    scheme: 'http',
    api_key: token,
  }
  put(join(instance.dir, 'client/pvc.json'), `${JSON.stringify({ [connectionName]: connection }, null, 2)}\n`, 0o600)
  for (const host of hosts) put(join(host.dir, 'fs/etc/pvc/api-token'), `${token}\n`, 0o600)
}

/** Starts all daemons and returns when the API shows every node in daemon state run. */
export async function startDaemons(instance: Instance, hosts: readonly Host[]): Promise<void> {
  const [first] = hosts
  if (first === undefined) throw new Error('no hosts')
  const [token] = await Promise.all([firstToken(first), ...hosts.map((host) => enableDaemons(host, instance.hosts))])
  writeConnections(instance, hosts, token)
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
