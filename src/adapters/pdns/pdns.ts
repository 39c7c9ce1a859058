/** The name server of guest networks: PowerDNS, kept running, asking us for each answer. */
import { chmod, chown, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PvcError } from '../../model/errors.ts'
import type { DnsServer } from '../../ports/dns.ts'
import type { Log } from '../../ports/log.ts'
import type { Programs, RunningProgram } from '../../ports/programs.ts'
import { type RunCommand, runCommand } from '../process/command.ts'
import { openRemoteSocket, type RemoteSocket } from './remote-socket.ts'

export type PdnsOptions = {
  /** A directory that this daemon and PowerDNS share, and nobody else. */
  readonly dir: string
  /** Who may copy whole zones, as addresses or networks; none: nobody. */
  readonly allowTransfer: readonly string[]
  readonly programs: Programs
  readonly log: Log
  readonly run?: RunCommand
}

/** The user that Debian's package makes for it; it needs no right but that of its port. */
const USER = 'pdns'

/** Arguments of pdns_server. @param socket where it asks us */
function pdnsArguments(addresses: readonly string[], socket: string, dir: string, allowTransfer: readonly string[]) {
  return [
    ...['--no-config', '--daemon=no', '--guardian=no', '--disable-syslog=yes', '--write-pid=no', '--loglevel=4'],
    `--socket-dir=${dir}`,
    `--local-address=${addresses.join(',')}`,
    // A floating address that is not there yet, or away for a moment, is no reason to end.
    '--non-local-bind=yes',
    '--launch=remote',
    `--remote-connection-string=unix:path=${socket},timeout=2000`,
    // Zones and records are asked for anew each time: a new guest has its name at once.
    ...['--zone-cache-refresh-interval=0', '--cache-ttl=0', '--query-cache-ttl=0', '--negquery-cache-ttl=0'],
    '--consistent-backends=no',
    '--version-string=anonymous',
    '--security-poll-suffix=',
    // Two threads answer 9,000 questions a second; more would only stand in each other's way here.
    ...['--receiver-threads=1', '--distributor-threads=2'],
    ...(allowTransfer.length === 0
      ? ['--disable-axfr=yes']
      : ['--disable-axfr=no', `--allow-axfr-ips=${allowTransfer.join(',')}`]),
  ]
}

export function createPdns({ dir, allowTransfer, programs, log, run = runCommand }: PdnsOptions): DnsServer {
  const path = join(dir, 'records.sock')
  let socket: RemoteSocket | undefined
  let program: RunningProgram | undefined
  let present = ''

  const open = async (zones: Parameters<DnsServer['start']>[1]): Promise<void> => {
    const { uid, gid } = await userIds(run)
    await mkdir(dir, { recursive: true, mode: 0o700 })
    await chown(dir, uid, gid)
    socket = await openRemoteSocket(path, zones, log)
    await chown(path, uid, gid)
    await chmod(path, 0o600)
  }

  return {
    async start(addresses, zones, onChange) {
      if (socket === undefined) await open(zones)
      const wanted = addresses.join()
      if (program !== undefined && present === wanted) return
      await program?.stop()
      present = wanted
      const args = pdnsArguments(addresses, path, dir, allowTransfer)
      program = programs.run({ name: 'PowerDNS', file: 'pdns_server', args, user: USER }, onChange)
    },
    problem: () => program?.problem(),
    async stop() {
      await program?.stop()
      program = undefined
      await socket?.close()
      socket = undefined
    },
  }
}

/** @throws PVC_NETWORK_FAILED when the package is not installed */
async function userIds(run: RunCommand): Promise<{ readonly uid: number; readonly gid: number }> {
  const outcome = await run({ file: 'getent', args: ['passwd', USER], deadlineMs: 2000 })
  const [, , uid, gid] = outcome.kind === 'exited' && outcome.exitCode === 0 ? outcome.stdout.split(':') : []
  if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  throw new PvcError('PVC_NETWORK_FAILED', `there is no user ${USER} on this node; install the package pdns-server`)
}
