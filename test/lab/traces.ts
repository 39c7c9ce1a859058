/** Proof that a lab leaves nothing behind: what the machine shows before and after. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { run } from './command.ts'

/** What of the machine a lab could change: processes in other namespaces, mounts, links, named network namespaces. */
export type MachineTraces = { processes: string[]; mounts: string[]; links: string[]; namespaces: string[] }

const kinds = ['net', 'mnt', 'pid', 'uts', 'ipc'] as const

/** Processes that live in any other namespace than this one, as "PID command (kinds)". */
function foreignProcesses(): string[] {
  const own = new Map(kinds.map((kind) => [kind, readlinkSync(`/proc/self/ns/${kind}`)]))
  const found: string[] = []
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const different = kinds.filter((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`) !== own.get(kind))
      if (different.length === 0) continue
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      found.push(`${pid} ${command.slice(0, 120)} (${different.join(' ')})`)
    } catch {
      // The process ended while we looked, or is a zombie without namespaces: neither is a trace.
    }
  }
  return found
}

/** The machine now, as seen from the caller's namespaces. */
export async function machineTraces(): Promise<MachineTraces> {
  const lines = async (argv: string[]): Promise<string[]> =>
    (await run([], argv, { timeoutMs: 10_000 })).stdout.split('\n').filter((line) => line !== '')
  return {
    processes: foreignProcesses(),
    mounts: readFileSync('/proc/self/mounts', 'utf8').trim().split('\n'),
    links: (await lines(['ip', '-o', 'link', 'show'])).map((line) => line.split(':')[1]?.trim() ?? line),
    namespaces: await lines(['ip', 'netns', 'list']),
  }
}

/** What is there after but was not before; `mine` picks processes when other labs run on the machine. */
export function newTraces(
  before: MachineTraces,
  after: MachineTraces,
  mine: (process: string) => boolean = () => true,
): string[] {
  const added = (kind: keyof MachineTraces): string[] =>
    after[kind].filter((each) => !before[kind].includes(each)).map((each) => `${kind}: ${each}`)
  return [...added('processes').filter(mine), ...added('mounts'), ...added('links'), ...added('namespaces')]
}
