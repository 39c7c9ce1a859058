/** Network devices of this host from sysfs and /proc/net/dev. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { InterfaceCounters } from '../../ports/files.ts'
import { isErrno, unlessGone } from './atomic-file.ts'

/** What sysfs has below a device that is worth figures: hardware, a bond, a bridge. Guests' own are in their statistics. */
const KINDS = ['device', 'bonding', 'bridge'] as const

/** @param devices `/sys/class/net` @param counters `/proc/net/dev` */
export async function readNetDevices(
  devices: string,
  counters: string,
): Promise<{ readonly bridges: readonly string[]; readonly interfaces: readonly InterfaceCounters[] }> {
  const [names, text] = await Promise.all([unlessGone(readdir(devices)), unlessGone(readFile(counters, 'utf8'))])
  const counted = parseNetDev(text ?? '')
  const kinds = await Promise.all(
    (names ?? []).sort().map(async (name) => ({ name, kind: await kindOf(devices, name) })),
  )
  const known = kinds.flatMap(({ name, kind }) => {
    const figures = counted.get(name)
    return kind === undefined || figures === undefined ? [] : [{ name, ...figures }]
  })
  const interfaces = known.map(async (each): Promise<InterfaceCounters> => {
    const [state, speed] = await Promise.all([
      fact(join(devices, each.name, 'operstate')),
      fact(join(devices, each.name, 'speed')),
    ])
    // A bridge, and a device without cable, have none: an error, or -1.
    const speedMbps = Number(speed ?? -1)
    return { ...each, state: state ?? 'unknown', speedMbps: speedMbps > 0 ? speedMbps : undefined }
  })
  return {
    bridges: kinds.flatMap(({ name, kind }) => (kind === 'bridge' ? [name] : [])),
    interfaces: await Promise.all(interfaces),
  }
}

async function kindOf(devices: string, name: string): Promise<(typeof KINDS)[number] | undefined> {
  for (const kind of KINDS) if ((await unlessGone(stat(join(devices, name, kind)))) !== undefined) return kind
  return undefined
}

/** A small file of sysfs; undefined when the device is gone or has no such fact. */
async function fact(path: string): Promise<string | undefined> {
  try {
    return (await unlessGone(readFile(path, 'utf8')))?.trim()
  } catch (error) {
    if (isErrno(error, 'EINVAL', 'EOPNOTSUPP')) return undefined
    throw error
  }
}

type Counters = Pick<InterfaceCounters, 'rxBytes' | 'rxPackets' | 'txBytes' | 'txPackets'>

/** `/proc/net/dev`: two lines of headings, then a device a line. */
export function parseNetDev(text: string): ReadonlyMap<string, Counters> {
  const lines = [...text.matchAll(/^\s*([^\s:]+):\s*(\d[\d\s]*)$/gm)]
  return new Map(
    lines.map(([, name = '', rest = '']) => {
      const [rxBytes = 0, rxPackets = 0, , , , , , , txBytes = 0, txPackets = 0] = rest.trim().split(/\s+/).map(Number)
      return [name, { rxBytes, rxPackets, txBytes, txPackets }]
    }),
  )
}
