/** Layout of the guard's two pages; native/guard/page.h is the other side of it. */
import { crc32 } from 'node:zlib'
import type { GuardOrder, GuardReport, GuardSettings } from '../../ports/guard.ts'

export const ORDER_BYTES = 256
export const STATE_BYTES = 512
const VERSION = 1
const ORDER_MAGIC = 0x47435650
const STATE_MAGIC = 0x53435650
const DEVICE_BYTES = 128
const REASON_BYTES = 160
const NS_PER_MS = 1_000_000
/** Offset of the last order inside the guard's own page. */
const BELIEVED_AT = 248
const KILL_VERIFIED = 2

/** The page of orders. @throws Error when the watchdog's path is too long: the guard would open another device */
export function encodeOrder(order: GuardOrder, sequence: number): Buffer {
  const { settings } = order
  const page = Buffer.alloc(ORDER_BYTES)
  page.writeUInt32LE(ORDER_MAGIC, 0)
  page.writeUInt32LE(VERSION, 4)
  page.writeBigUInt64LE(BigInt(sequence), 8)
  page.writeBigUInt64LE(BigInt(Math.max(0, Math.floor(order.baseMs * NS_PER_MS))), 16)
  page.writeUInt32LE(order.isArmed ? 1 : 0, 24)
  page.writeUInt32LE(order.clearedLatch, 28)
  page.writeUInt32LE(settings.boundMs, 32)
  page.writeUInt32LE(settings.killMs, 36)
  page.writeUInt32LE(settings.watchdog.timeoutS, 40)
  page.writeUInt32LE(settings.watchdog.fixedTimeoutS ?? 0, 44)
  if (Buffer.byteLength(settings.watchdog.device) >= DEVICE_BYTES) {
    throw new Error(`the path of the watchdog is longer than ${DEVICE_BYTES - 1} bytes`)
  }
  page.write(settings.watchdog.device, 48)
  page.writeUInt32LE(crc32(page.subarray(0, ORDER_BYTES - 4)), ORDER_BYTES - 4)
  return page
}

/** What the guard wrote, and when by its clock; undefined: torn, damaged, or of another release. */
export function decodeState(
  page: Buffer,
): { readonly heartbeatMs: number; readonly report: Omit<GuardReport, 'isRunning'> } | undefined {
  if (page.length < STATE_BYTES || page.readUInt32LE(0) !== STATE_MAGIC || page.readUInt32LE(4) !== VERSION)
    return undefined
  if (page.readUInt32LE(STATE_BYTES - 4) !== crc32(page.subarray(0, STATE_BYTES - 4))) return undefined
  const timeoutMs = page.readUInt32LE(52)
  return {
    heartbeatMs: Number(page.readBigUInt64LE(8)) / NS_PER_MS,
    report: {
      baseMs: Number(page.readBigUInt64LE(16)) / NS_PER_MS,
      isArmed: page.readUInt32LE(32) === 1,
      latch: page.readUInt32LE(36),
      clearedLatch: page.readUInt32LE(40),
      isKillVerified: page.readUInt32LE(44) === KILL_VERIFIED,
      settings: decodeSettings(page.subarray(BELIEVED_AT, BELIEVED_AT + ORDER_BYTES)),
      watchdog:
        page.readUInt32LE(48) === 1 && timeoutMs > 0
          ? { kind: 'present', timeoutMs }
          : { kind: 'absent', reason: textAt(page, 56, REASON_BYTES) },
    },
  }
}

function decodeSettings(order: Buffer): GuardSettings | undefined {
  if (order.readUInt32LE(0) !== ORDER_MAGIC) return undefined
  const fixedTimeoutS = order.readUInt32LE(44)
  return {
    boundMs: order.readUInt32LE(32),
    killMs: order.readUInt32LE(36),
    watchdog: {
      device: textAt(order, 48, DEVICE_BYTES),
      timeoutS: order.readUInt32LE(40),
      ...(fixedTimeoutS === 0 ? {} : { fixedTimeoutS }),
    },
  }
}

function textAt(page: Buffer, offset: number, size: number): string {
  const field = page.subarray(offset, offset + size)
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end < 0 ? size : end)
}
