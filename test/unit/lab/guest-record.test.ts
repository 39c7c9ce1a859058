import { describe, expect, it } from 'vitest'
import {
  type DiskRecords,
  type GuestRecord,
  type Heartbeat,
  historySlots,
  parseDiskRecords,
  parseHeartbeats,
  recordAreaBytes,
  recordProblems,
} from '../../lab/guest-record.ts'

const records = (boot: string, from: number, to: number, firstN = 1): GuestRecord[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ boot, n: firstN + i, c: from + i }))

const acknowledged = (list: readonly GuestRecord[]): Heartbeat[] =>
  list.map((record, line) => ({ ...record, uptimeS: 1, written: true, ip: undefined, line }))

const disk = (history: GuestRecord[]): DiskRecords => ({ newest: history.at(-1), history })

describe('heartbeats on the console', () => {
  it('are read with their counters, write result and address', () => {
    const log = 'LAST \r\nHB boot=0ba2 n=1 c=41 up=1.90 w=0 vd=vda, net=eth0,lo, ip=10.90.0.155,\r\n'
    expect(parseHeartbeats(log)).toEqual([
      { boot: '0ba2', n: 1, c: 41, uptimeS: 1.9, written: true, ip: '10.90.0.155', line: 1 },
    ])
  })

  it('tell a failed write and a missing address', () => {
    const [heartbeat] = parseHeartbeats('HB boot=0ba2 n=1 c=1 up=1.90 w=1 vd=vda, net=lo, ip=\r\n')
    expect(heartbeat).toMatchObject({ written: false, ip: undefined })
  })

  it('leave out a line that is still being written', () => {
    expect(parseHeartbeats('HB boot=0ba2 n=2 c=2 up=2.95 w=0 vd=vd')).toEqual([])
  })
})

describe('records on the disk', () => {
  it('are found in their slots, oldest first', () => {
    const area = Buffer.alloc(recordAreaBytes)
    const write = (sector: number, { boot, n, c }: GuestRecord): void => {
      area.write(`HB boot=${boot} n=${n} c=${c}`.padEnd(511).concat('\n'), sector * 512)
    }
    for (const record of records('aa', 1999, 2001, 7)) write(1 + (record.c % historySlots), record)
    write(0, { boot: 'aa', n: 9, c: 2001 })
    expect(parseDiskRecords(area)).toEqual(disk(records('aa', 1999, 2001, 7)))
  })

  it('are none on an empty disk', () => {
    expect(parseDiskRecords(Buffer.alloc(recordAreaBytes))).toEqual({ newest: undefined, history: [] })
  })
})

describe('a disk held against its consoles', () => {
  const sound = [...records('aa', 1, 5), ...records('bb', 6, 9)]

  it('is sound when everything acknowledged is there, over restarts', () => {
    expect(recordProblems(disk(sound), acknowledged(sound))).toEqual([])
  })

  it('may have a last record that was never acknowledged', () => {
    expect(recordProblems(disk(sound), acknowledged(sound.slice(0, -1)))).toEqual([])
  })

  it('forgives what the ring has overwritten', () => {
    const long = records('aa', 1, historySlots + 50)
    expect(recordProblems(disk(long.slice(-historySlots)), acknowledged(long))).toEqual([])
  })

  it('shows a lost write', () => {
    const lost = sound.filter((record) => record.c !== 7)
    expect(recordProblems(disk(lost), acknowledged(sound)).join()).toMatch(/acknowledged write lost.*c=7/)
  })

  it('shows a rollback', () => {
    const rolledBack = records('aa', 1, 3)
    expect(recordProblems(disk(rolledBack), acknowledged(records('aa', 1, 5)))).toHaveLength(3)
  })

  it('shows that a second boot wrote over acknowledged records', () => {
    const over = [...records('aa', 1, 3), ...records('bb', 4, 6)]
    expect(recordProblems(disk(over), acknowledged(records('aa', 1, 5))).join()).toMatch(/overwritten by boot=bb/)
  })

  it('shows two writers in turns', () => {
    const turns = [
      { boot: 'aa', n: 1, c: 1 },
      { boot: 'bb', n: 1, c: 2 },
      { boot: 'aa', n: 2, c: 3 },
    ]
    expect(recordProblems(disk(turns), []).join()).toMatch(/two writers: aa/)
  })
})
