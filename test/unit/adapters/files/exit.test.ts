import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isOver, untilOver } from '../../../../src/adapters/files/exit.ts'
import { processStartTicks } from '../../../../src/adapters/libvirt/system.ts'

let root = ''
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'pvc-exit-'))
})
afterEach(() => rm(root, { recursive: true }))

const [RUNS, EXITING] = [0x400100, 0x40010c]

/** A line of /proc/PID/stat as Linux 6.1 writes it; the name of the thread has all that could mislead a reader. */
function stat(pid: number, flags: number, startTicks: number): string {
  const rest = `0 0 0 0 12 34 0 0 20 0 19 0 ${startTicks} 1024 256`
  return `${pid} (CPU 0) R 4 /TCG) S 1 ${pid} ${pid} 0 -1 ${flags} ${rest}`
}

/** A process 7 of these threads, the first being its leader. */
async function process(startTicks: number, threads: Record<number, number>): Promise<void> {
  for (const [pid, flags] of Object.entries(threads)) {
    await mkdir(join(root, '7/task', pid), { recursive: true })
    await writeFile(join(root, '7/task', pid, 'stat'), stat(Number(pid), flags, startTicks))
    if (pid === '7') await writeFile(join(root, '7/stat'), stat(7, flags, startTicks))
  }
}

describe('a process that ends', () => {
  it.each([
    ['runs', { 7: RUNS, 8: RUNS }, false],
    ['has lost a thread only', { 7: RUNS, 8: EXITING }, false],
    ['ends, but a thread has not heard of it', { 7: EXITING, 8: RUNS, 9: EXITING }, false],
    ['ends with all its threads', { 7: EXITING, 8: EXITING }, true],
  ])('that %s', async (_what, threads, expected) => {
    await process(100, threads)
    expect(isOver(root, 7, 100)).toBe(expected)
  })

  it('is over when its pid is free or another one’s', async () => {
    expect(isOver(root, 7, 100)).toBe(true)
    await process(101, { 7: RUNS })
    expect(isOver(root, 7, 100)).toBe(true)
  })

  it('is waited for until it is gone, or over, or time is up', async () => {
    const waits: number[] = []
    const stays = async (ms: number) => waits.push(ms) < 0
    expect(await untilOver(() => waits.length > 2, stays, 60_000)).toBe(true)
    expect(waits).toEqual([1, 1, 1])
    expect(
      await untilOver(
        () => false,
        async () => true,
        60_000,
      ),
    ).toBe(true)
    expect(await untilOver(() => false, stays, 0.5)).toBe(false)
  })

  it('is not this one', () => {
    const { pid } = globalThis.process
    expect(isOver('/proc', pid, processStartTicks(pid) ?? 0)).toBe(false)
  })
})
