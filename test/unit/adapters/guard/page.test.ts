import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import { createGuardPages } from '../../../../src/adapters/guard/guard.ts'
import { decodeState, encodeOrder, ORDER_BYTES, STATE_BYTES } from '../../../../src/adapters/guard/page.ts'
import type { GuardOrder } from '../../../../src/ports/guard.ts'

const order: GuardOrder = {
  isArmed: true,
  baseMs: 1234.5,
  clearedLatch: 2,
  settings: { boundMs: 9000, killMs: 2000, watchdog: { device: '/dev/watchdog', timeoutS: 10, fixedTimeoutS: 12 } },
}

/** A page as the guard writes it, its own view of `order` included. */
function statePage(heartbeatMs: number): Buffer {
  const page = Buffer.alloc(STATE_BYTES)
  page.writeUInt32LE(0x53435650, 0)
  page.writeUInt32LE(1, 4)
  page.writeBigUInt64LE(BigInt(heartbeatMs * 1e6), 8)
  page.writeBigUInt64LE(1_234_500_000n, 16)
  for (const [offset, value] of [
    [32, 1],
    [36, 3],
    [40, 2],
    [44, 2],
    [48, 1],
    [52, 10_000],
  ] as const)
    page.writeUInt32LE(value, offset)
  encodeOrder(order, 7).copy(page, 248)
  page.writeUInt32LE(crc32(page.subarray(0, STATE_BYTES - 4)), STATE_BYTES - 4)
  return page
}

const seen = {
  isArmed: true,
  baseMs: 1234.5,
  latch: 3,
  clearedLatch: 2,
  isKillVerified: true,
  settings: order.settings,
  watchdog: { kind: 'present', timeoutMs: 10_000 },
}

describe('the pages', () => {
  it('of orders has the layout of native/guard/page.h', () => {
    const page = encodeOrder(order, 7)
    expect(page.length).toBe(ORDER_BYTES)
    expect(page.toString('latin1', 0, 4)).toBe('PVCG')
    expect(page.readBigUInt64LE(16)).toBe(1_234_500_000n)
    expect([24, 28, 32, 36, 40, 44].map((offset) => page.readUInt32LE(offset))).toEqual([1, 2, 9000, 2000, 10, 12])
    expect(page.toString('latin1', 48, 62)).toBe('/dev/watchdog\0')
  })

  it('takes no device path that the guard would cut off', () => {
    const watchdog = { device: `/dev/${'w'.repeat(123)}`, timeoutS: 10 }
    expect(() => encodeOrder({ ...order, settings: { ...order.settings, watchdog } }, 1)).toThrow(
      'longer than 127 bytes',
    )
  })

  it('of the guard is read whole or not at all', () => {
    const page = statePage(5000)
    expect(decodeState(page)).toEqual({ heartbeatMs: 5000, report: seen })
    for (const offset of [0, 4, 20, 60, 300, 511]) {
      const torn = Buffer.from(page)
      torn.writeUInt8(torn.readUInt8(offset) ^ 0x10, offset)
      expect(decodeState(torn)).toBeUndefined()
    }
    expect(decodeState(page.subarray(0, 500))).toBeUndefined()
  })
})

describe('the guard through its pages', () => {
  let dir: string
  let clock: ManualClock
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'pvc-pages-'))
    clock = new ManualClock(5000)
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  it('has never run while there is no page', () => {
    const guard = createGuardPages({ runDir: dir, clock })
    expect(guard.report()).toMatchObject({ isRunning: false, isArmed: false, latch: 0 })
    guard.close()
  })

  it('runs while its page is fresh; what it said last is kept when the page is damaged', () => {
    const guard = createGuardPages({ runDir: dir, clock })
    writeFileSync(join(dir, 'guard-state'), statePage(4500))
    expect(guard.report()).toEqual({ isRunning: true, ...seen })
    clock.advanceSync(600)
    expect(guard.report().isRunning).toBe(false)
    writeFileSync(join(dir, 'guard-state'), 'damaged')
    expect(guard.report()).toEqual({ isRunning: false, ...seen })
    guard.close()
  })

  it('gets each order at the same place; a new daemon leaves the last one until it has its own', () => {
    const first = createGuardPages({ runDir: dir, clock })
    first.order(order)
    first.close()
    const page = readFileSync(join(dir, 'guard'))
    const second = createGuardPages({ runDir: dir, clock })
    expect(readFileSync(join(dir, 'guard'))).toEqual(page)
    second.order({ ...order, isArmed: false })
    const next = readFileSync(join(dir, 'guard'))
    expect([next.length, next.readUInt32LE(24)]).toEqual([ORDER_BYTES, 0])
    expect(next.readBigUInt64LE(8)).toBeGreaterThan(page.readBigUInt64LE(8))
    second.close()
    expect(existsSync(join(dir, 'guard-state'))).toBe(false)
  })
})
