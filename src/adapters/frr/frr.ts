/** FRR through vtysh, its reload script and its configuration file. */
import { chmod, chown, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { PvcError } from '../../model/errors.ts'
import type { Routing, RoutingSession, RoutingState } from '../../ports/routing.ts'
import { type RunCommand, runCommand } from '../process/command.ts'

export type FrrOptions = {
  /** Default: real processes. */
  readonly run?: RunCommand
  /** FRR's folder of configurations; default /etc/frr. */
  readonly dir?: string
}

const SHOW_MS = 5000
const CHECK_MS = 5000
/** It compares configurations in Python and calls vtysh for each line that goes away. */
const RELOAD_MS = 30_000
const RELOAD_SCRIPT = '/usr/lib/frr/frr-reload.py'
/** As FRR's own scripts have it: readable by its group, for vtysh. */
const FILE_MODE = 0o640

export function createFrr({ run = runCommand, dir = '/etc/frr' }: FrrOptions = {}): Routing {
  const file = join(dir, 'frr.conf')
  const words = async (what: string, command: Parameters<RunCommand>[0]): Promise<string> => {
    const outcome = await run(command)
    if (outcome.kind === 'exited' && outcome.exitCode === 0) return outcome.stdout
    if (outcome.kind === 'not-started') throw failure(`${what}: ${command.file} could not be started`, outcome.error)
    throw failure(`${what}: ${complaint(outcome.stderr, outcome.stdout) ?? outcome.kind}`)
  }
  return {
    async stored() {
      try {
        return await readFile(file, 'utf8')
      } catch (error) {
        if (isMissing(error)) return ''
        throw failure(`${file} cannot be read`, error)
      }
    },
    async store(text) {
      const fresh = `${file}.pvc-new`
      try {
        const { uid, gid } = await stat(dir)
        await writeFile(fresh, text, { mode: FILE_MODE })
        await chmod(fresh, FILE_MODE)
        await chown(fresh, uid, gid)
      } catch (error) {
        throw failure(`${fresh} cannot be written`, error)
      }
      try {
        await words('FRR refuses its configuration', { file: 'vtysh', args: ['-C', '-f', fresh], deadlineMs: CHECK_MS })
        await rename(fresh, file)
      } finally {
        await rm(fresh, { force: true })
      }
    },
    async reload() {
      const args = ['--reload', '--stdout', file]
      await words('FRR did not take its configuration', {
        file: RELOAD_SCRIPT,
        args,
        deadlineMs: RELOAD_MS,
        isGroup: true,
      })
    },
    async state() {
      const args = ['-d', 'bgpd', '-c', 'show bgp summary json']
      return parseSummary(await words('FRR does not answer', { file: 'vtysh', args, deadlineMs: SHOW_MS }))
    },
  }
}

const Family = z.object({
  as: z.number(),
  peers: z.record(z.string(), z.object({ state: z.string(), dynamicPeer: z.boolean().default(false) })).default({}),
})
/** By address family; a family without sessions may be missing. */
const Summary = z.object({
  l2VpnEvpn: Family.optional(),
  ipv4Unicast: Family.optional(),
  ipv6Unicast: Family.optional(),
})

/** Output of `show bgp summary json`; without BGP it is an object without content, or a sentence. */
export function parseSummary(text: string): RoutingState {
  if (!text.trimStart().startsWith('{')) return { asn: undefined, sessions: [], upstream: [] }
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw failure('FRR printed a summary of BGP that is no JSON', error)
  }
  const summary = Summary.safeParse(parsed)
  if (!summary.success) throw failure('FRR printed a summary of BGP that is not understood', summary.error)
  const { l2VpnEvpn, ipv4Unicast, ipv6Unicast } = summary.data
  const asn = (l2VpnEvpn ?? ipv4Unicast ?? ipv6Unicast)?.as
  return { asn, sessions: sessionsOf(l2VpnEvpn), upstream: [ipv4Unicast, ipv6Unicast].flatMap(sessionsOf) }
}

function sessionsOf(family: z.infer<typeof Family> | undefined): readonly RoutingSession[] {
  return Object.entries(family?.peers ?? {}).map(([address, { state, dynamicPeer: isDynamic }]) => ({
    address,
    isEstablished: state === 'Established',
    isDynamic,
  }))
}

/** What a tool complains of: the last line that is more than its log. */
function complaint(...outputs: readonly string[]): string | undefined {
  const lines = outputs.flatMap((text) => text.split('\n')).map((line) => line.trim())
  return lines.filter((line) => line !== '' && !line.includes(' INFO: ')).at(-1)
}

function failure(message: string, cause?: unknown): PvcError {
  return new PvcError('PVC_NETWORK_FAILED', message, cause === undefined ? {} : { cause })
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
