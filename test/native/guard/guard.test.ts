/** The guard program itself, against real processes, the real clock and a FIFO that is fed. */
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pollUntil } from '../../lab/poll.ts'
import { GuardRoom, isAlive } from './room.ts'

let room: GuardRoom
beforeEach(async () => {
  room = new GuardRoom()
  room.fed()
  await room.start()
})
afterEach(() => room.close())

/** Stays in contact for a while. */
async function keepContact(forMs: number): Promise<number> {
  const endMs = room.now() + forMs
  let baseMs = 0
  while (room.now() < endMs) {
    baseMs = room.order().baseMs
    await room.elapsed(50)
  }
  return baseMs
}

describe('an armed guard', () => {
  beforeEach(() => room.startGuard())

  it('leaves guests alone and feeds the watchdog while there is contact', async () => {
    const pid = await room.qemu()
    await room.arm()
    await keepContact(2500)
    expect(isAlive(pid)).toBe(true)
    expect(room.pages.report()).toMatchObject({
      isRunning: true,
      isArmed: true,
      latch: 0,
      settings: room.settings,
      watchdog: { kind: 'present', timeoutMs: 10_000 },
    })
    expect(room.fed().length).toBeGreaterThanOrEqual(3)
  })

  it('ends every guest at the bound, not before, forbids starts, and feeds on once all are dead', async () => {
    const pids = await Promise.all([room.qemu(), room.qemu(), room.qemu(['-uuid', 'other'])])
    const permit = room.permit('u')
    const incoming = join(room.run, 'incoming', 'u')
    writeFileSync(incoming, 'id\n')
    await room.arm()
    const baseMs = await keepContact(300)
    await pollUntil({ what: 'the end of a guest', timeoutMs: 5000, intervalMs: 1 }, async () => !pids.every(isAlive))
    const firstMs = room.now() - baseMs
    await pollUntil({ what: 'the end of all', timeoutMs: 5000, intervalMs: 1 }, async () => !pids.some(isAlive))
    const lastMs = room.now() - baseMs
    expect(firstMs).toBeGreaterThanOrEqual(1000)
    expect(lastMs).toBeLessThan(1000 + room.settings.killMs)
    expect(existsSync(permit)).toBe(false)
    expect(existsSync(incoming)).toBe(false)
    expect(room.isLatchFileThere()).toBe(true)
    expect(await room.until('verified', (report) => report.isKillVerified)).toMatchObject({ latch: 1, clearedLatch: 0 })
    room.fed()
    await room.elapsed(1200)
    expect(room.fed().length).toBeGreaterThan(0)
  })

  it('keeps the latch whatever contact comes, until it is cleared by its number', async () => {
    await room.arm()
    await room.until('latched', (report) => report.latch === 1 && report.isKillVerified)
    await keepContact(500)
    const late = await room.qemu()
    await pollUntil({ what: 'the end of a late start', timeoutMs: 3000 }, async () => !isAlive(late))
    room.order({ clearedLatch: 2 })
    await room.elapsed(300)
    expect(room.isLatchFileThere()).toBe(true)
    room.order({ clearedLatch: 1 })
    await room.until('cleared', (report) => report.clearedLatch === 1)
    expect(room.isLatchFileThere()).toBe(false)
    const pid = await room.qemu()
    await keepContact(500)
    expect(isAlive(pid)).toBe(true)
    await room.until('latched again', (report) => report.latch === 2)
  })

  it('does not clear a latch on a contact that is too old', async () => {
    await room.arm()
    await room.until('latched', (report) => report.latch === 1)
    await room.elapsed(300)
    room.order({ clearedLatch: 1, baseMs: room.now() - 1100 })
    await room.elapsed(400)
    expect(room.pages.report().clearedLatch).toBe(0)
  })

  it('believes no torn page, no base of the future, and no older base', async () => {
    const pid = await room.qemu()
    await room.arm()
    const good = readFileSync(join(room.run, 'guard'))
    const fd = openSync(join(room.run, 'guard'), 'r+')
    for (let n = 0; n < 40; n += 1) {
      room.order()
      // Half of an order from before: its checksum is another one's.
      writeSync(fd, good, 0, 24, 0)
      await room.elapsed(50)
    }
    closeSync(fd)
    expect(isAlive(pid)).toBe(false)
    expect(room.pages.report().latch).toBe(1)
    room.order({ clearedLatch: 1 })
    await room.until('cleared', (report) => report.clearedLatch === 1)
    const { baseMs } = room.order({ clearedLatch: 1 })
    await room.elapsed(150)
    room.order({ clearedLatch: 1, baseMs: baseMs - 500 })
    await room.elapsed(150)
    expect(room.pages.report().baseMs).toBeCloseTo(baseMs, 0)
    room.order({ clearedLatch: 1, baseMs: room.now() + 60_000 })
    await room.until('latched', (report) => report.latch === 2, 3000)
  })

  it('disarms: guests live on, the watchdog is stopped by its magic word', async () => {
    const pid = await room.qemu()
    await room.arm()
    room.order({ isArmed: false })
    await room.until('disarmed', (report) => !report.isArmed && report.watchdog.kind === 'absent')
    expect(room.fed().endsWith('V')).toBe(true)
    await room.elapsed(1500)
    expect(isAlive(pid)).toBe(true)
    expect(room.pages.report().latch).toBe(0)
  })

  it('does not arm on a contact older than the bound', async () => {
    room.order({ baseMs: room.now() - 1500 })
    await room.elapsed(300)
    expect(room.pages.report()).toMatchObject({ isArmed: false, latch: 0 })
  })

  it('follows a page that was made anew', async () => {
    await room.arm()
    const page = join(room.run, 'guard')
    const copy = readFileSync(page)
    renameSync(page, `${page}.gone`)
    writeFileSync(page, Buffer.concat([copy.subarray(0, 24), Buffer.alloc(4), copy.subarray(28, 252), Buffer.alloc(4)]))
    await room.elapsed(300)
    expect(room.pages.report().isArmed, 'its checksum is wrong').toBe(true)
    await room.until('the old page ages', (report) => report.latch === 1, 3000)
  })
})

describe('which processes are guests', () => {
  beforeEach(() => room.startGuard())

  it('is told by program and arguments, not by the name they give themselves', async () => {
    const disguised = 'web'
    symlinkSync(join(room.dir, 'qemu-system-x86_64'), join(room.dir, disguised))
    const guests = await Promise.all([room.qemu(['guest=web,process=web'], disguised), room.qemu(['-uuid', 'x'])])
    symlinkSync('/bin/bash', join(room.dir, 'kvmtool'))
    const others = await Promise.all([room.qemu(['-machine', 'none']), room.qemu(['-uuid', 'x'], 'kvmtool')])
    await room.arm()
    await room.until('verified', (report) => report.isKillVerified)
    expect(guests.some(isAlive)).toBe(false)
    expect(others.every(isAlive)).toBe(true)
  })

  it('are those of the own PID namespace', async () => {
    const other = new GuardRoom()
    try {
      await other.start()
      const foreign = await other.qemu()
      const own = await room.qemu()
      // Seen from the machine's own namespace /proc shows the guests of all; here the room shows its own only.
      await room.arm()
      await room.until('verified', (report) => report.isKillVerified)
      expect([isAlive(own), isAlive(foreign)]).toEqual([false, true])
    } finally {
      await other.close()
    }
  })
})

describe('a guard that is started anew', () => {
  it('goes on from its page: armed, with the base it had', async () => {
    await room.startGuard()
    const pid = await room.qemu()
    const baseMs = await room.arm()
    room.fed()
    await room.endGuard('SIGKILL')
    expect(room.fed()).not.toContain('V')
    await room.startGuard()
    expect(room.pages.report()).toMatchObject({ isArmed: true })
    expect(room.pages.report().baseMs).toBeCloseTo(baseMs, 0)
    await room.until('latched', (report) => report.latch === 1, 3000)
    await pollUntil({ what: 'the end of the guest', timeoutMs: 2000 }, async () => !isAlive(pid))
  })

  it('strikes at once when the bound passed meanwhile', async () => {
    await room.startGuard()
    const pid = await room.qemu()
    // It has to be killed before the bound, also on a busy machine.
    await room.arm(3000)
    await room.endGuard('SIGKILL')
    await room.elapsed(3200)
    expect(isAlive(pid)).toBe(true)
    await room.startGuard()
    await pollUntil({ what: 'the end of the guest', timeoutMs: 1000 }, async () => !isAlive(pid))
  })

  it('keeps its latch, and is armed by the order when its own page is damaged', async () => {
    await room.startGuard()
    await room.arm()
    await room.until('verified', (report) => report.isKillVerified)
    await room.endGuard('SIGKILL')
    await room.startGuard()
    expect(room.pages.report()).toMatchObject({ latch: 1, clearedLatch: 0 })
    room.order({ clearedLatch: 1 })
    await room.until('cleared', (report) => report.clearedLatch === 1)
    await room.endGuard('SIGKILL')
    writeFileSync(join(room.run, 'guard-state'), 'damaged')
    await room.elapsed(1100)
    const pid = await room.qemu()
    await room.startGuard()
    await pollUntil({ what: 'the end of the guest', timeoutMs: 2000 }, async () => !isAlive(pid))
  })

  it('leaves the watchdog counting on SIGTERM while armed, and stops it otherwise', async () => {
    await room.startGuard()
    await room.arm()
    await room.until('watchdog', (report) => report.watchdog.kind === 'present')
    await room.endGuard('SIGTERM')
    expect(room.fed()).toMatch(/^\n+$/)
    await room.startGuard()
    room.order({ isArmed: false })
    await room.until('disarmed', (report) => !report.isArmed)
    expect(room.fed().endsWith('V')).toBe(true)
  })
})

describe('a watchdog', () => {
  beforeEach(() => room.startGuard())

  it('that cannot be asked for its time-out counts as absent', async () => {
    const { device } = room
    room.order({ settings: { ...room.settings, watchdog: { device, timeoutS: 10 } } })
    const { watchdog } = await room.until('armed', (report) => report.isArmed)
    expect(watchdog).toMatchObject({ kind: 'absent', reason: expect.stringContaining('fixedTimeoutS') })
    expect(room.fed()).toBe('V')
  })

  it('that is missing counts as absent; guests are ended all the same', async () => {
    const pid = await room.qemu()
    room.order({ settings: { ...room.settings, watchdog: { device: '/nowhere', timeoutS: 10 } } })
    const { watchdog } = await room.until('armed', (report) => report.isArmed)
    expect(watchdog).toEqual({ kind: 'absent', reason: '/nowhere cannot be opened: No such file or directory' })
    await room.until('verified', (report) => report.isKillVerified)
    expect(isAlive(pid)).toBe(false)
  })
})
