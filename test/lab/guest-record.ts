/**
 * What the lab's guest leaves behind, and what follows from it: heartbeats on the serial console, counter records on
 * the disk. Together they show a stopped guest, a lost write, a rolled-back disk and two writers. Pure.
 */

/** One record: `boot` names one boot of one guest, `n` counts within it, `c` over all boots of this disk. */
export type GuestRecord = { boot: string; n: number; c: number }
/** One console line; `written` = the record is on the disk (w=0). `line` counts from 0. */
export type Heartbeat = GuestRecord & { uptimeS: number; written: boolean; ip: string | undefined; line: number }
/** Content of the record area: newest record, and the last 2000 of the history. */
export type DiskRecords = { newest: GuestRecord | undefined; history: GuestRecord[] }

const sector = 512
/** Slots of the history ring. */
export const historySlots = 2000
/** Bytes at the start of a guest's disk that hold its records. */
export const recordAreaBytes = sector * (1 + historySlots)

/** All heartbeats of a serial log, in its order. A line still being written is left out. */
export function parseHeartbeats(log: string): Heartbeat[] {
  const found: Heartbeat[] = []
  for (const [line, text] of log.split('\n').entries()) {
    const match = /^HB boot=(\w+) n=(\d+) c=(\d+) up=([\d.]+) w=(\S+) .*ip=(\S*)\s*$/.exec(text)
    if (match === null) continue
    const [, boot = '', n, c, up, w, ip = ''] = match
    const address = ip.replace(/,.*$/, '')
    found.push({
      ...{ boot, n: Number(n), c: Number(c), uptimeS: Number(up), written: w === '0', line },
      ip: address === '' ? undefined : address,
    })
  }
  return found
}

function parseRecord(bytes: Buffer): GuestRecord | undefined {
  const match = /^HB boot=(\w+) n=(\d+) c=(\d+) /.exec(bytes.toString('latin1'))
  return match === null ? undefined : { boot: match[1] ?? '', n: Number(match[2]), c: Number(match[3]) }
}

/** Reads the record area (the first `recordAreaBytes` of the disk; less is allowed on a smaller image). */
export function parseDiskRecords(area: Buffer): DiskRecords {
  const history: GuestRecord[] = []
  for (let slot = 1; slot <= historySlots && slot * sector < area.length; slot++) {
    const record = parseRecord(area.subarray(slot * sector, (slot + 1) * sector))
    if (record !== undefined) history.push(record)
  }
  history.sort((a, b) => a.c - b.c)
  return { newest: parseRecord(area.subarray(0, sector)), history }
}

const show = ({ boot, n, c }: GuestRecord): string => `boot=${boot} n=${n} c=${c}`

function historyProblems(history: readonly GuestRecord[]): string[] {
  const problems: string[] = []
  const ended = new Set<string>()
  for (const [i, record] of history.entries()) {
    const before = history[i - 1]
    if (before === undefined) continue
    if (record.c !== before.c + 1) problems.push(`gap on the disk: ${show(before)} is followed by ${show(record)}`)
    if (record.boot === before.boot) {
      if (record.n !== before.n + 1) problems.push(`records of one boot out of order: ${show(before)}, ${show(record)}`)
      continue
    }
    ended.add(before.boot)
    if (ended.has(record.boot))
      problems.push(`two writers: ${record.boot} wrote again after ${before.boot} (${show(record)})`)
  }
  return problems
}

/**
 * Checks a disk against everything the guest's consoles (on all hosts) acknowledged. Returns every problem in words;
 * empty = no acknowledged write is missing, the counter never went back, and no two boots wrote in turns.
 */
export function recordProblems(disk: DiskRecords, heartbeats: readonly Heartbeat[]): string[] {
  const problems = historyProblems(disk.history)
  const byCounter = new Map(disk.history.map((record) => [record.c, record]))
  const acknowledged = heartbeats.filter((heartbeat) => heartbeat.written)
  const highest = disk.history.at(-1)?.c ?? 0
  for (const heartbeat of acknowledged) {
    if (heartbeat.c <= highest - historySlots) continue // overwritten by the ring since
    const record = byCounter.get(heartbeat.c)
    if (record === undefined) problems.push(`acknowledged write lost: ${show(heartbeat)}`)
    else if (record.boot !== heartbeat.boot || record.n !== heartbeat.n) {
      problems.push(`acknowledged write ${show(heartbeat)} was overwritten by ${show(record)}`)
    }
  }
  const newest = disk.newest
  if (newest !== undefined && acknowledged.some((heartbeat) => heartbeat.c > newest.c)) {
    problems.push(`the newest record on the disk is ${show(newest)}, but later ones were acknowledged`)
  }
  return problems
}
