import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSystemClock } from '../../../../src/adapters/clock/system.ts'
import { createLogFiles } from '../../../../src/adapters/console/log-files.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import type { Piece } from '../../../../src/console/piece.ts'
import { Tail } from '../../../../src/console/tail.ts'

const clock = createSystemClock()
let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pvc-log-files-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const filesOf = () => createLogFiles({ directory, clock, log: new FakeLog() })
const refused = { code: 'PVC_CONSOLE_UNREADABLE' }

describe('log files of a machine', () => {
  it('are known by what they are, not by their name', async () => {
    const files = filesOf()
    const path = join(directory, 'a.log')
    expect(await files.identify(path)).toBeUndefined()
    expect(await files.open(path)).toBeUndefined()
    writeFileSync(path, 'hello')
    const file = await files.open(path)
    expect(await files.identify(path)).toEqual({ id: file?.id, sizeBytes: 5 })
    renameSync(path, `${path}.0`)
    writeFileSync(path, 'new')
    expect((await files.identify(path))?.id).not.toBe(file?.id)
    appendFileSync(`${path}.0`, ' world')
    expect(await file?.sizeBytes()).toBe(11)
    expect(Buffer.from((await file?.read(4, 100)) ?? []).toString()).toBe('o world')
    await file?.close()
  })

  it('are refused outside their directory, and when they are links or pipes', async () => {
    const files = filesOf()
    await expect(files.open('/etc/passwd')).rejects.toMatchObject(refused)
    await expect(files.identify(`${directory}/../x.log`)).rejects.toMatchObject(refused)
    symlinkSync('/etc/passwd', join(directory, 'link.log'))
    await expect(files.open(join(directory, 'link.log'))).rejects.toMatchObject(refused)
    await expect(files.identify(join(directory, 'link.log'))).rejects.toMatchObject(refused)
    execFileSync('mkfifo', [join(directory, 'pipe.log')])
    await expect(files.open(join(directory, 'pipe.log'))).rejects.toMatchObject(refused)
  })

  it('tell when they change', async () => {
    const told: (string | undefined)[] = []
    const end = filesOf().watch((path) => told.push(path))
    await expect.poll(() => told).toContain(undefined)
    writeFileSync(join(directory, 'a.log'), 'x')
    await expect.poll(() => told).toContain(join(directory, 'a.log'))
    end()
  })

  it('of ten gigabytes are read from their end, at once and in little memory', async () => {
    const path = join(directory, 'huge.log')
    writeFileSync(path, '')
    truncateSync(path, 10 * 1024 ** 3)
    appendFileSync(path, Array.from({ length: 5000 }, (_, index) => `line ${index}\n`).join(''))
    const before = process.memoryUsage.rss()
    const startMs = performance.now()
    const { lines, tookMs } = await new Promise<{ lines: readonly Piece[]; tookMs: number }>((resolve) => {
      const tail = new Tail({
        ...{ files: filesOf(), path, place: undefined, firstLines: 1000, isStarted: true, clock },
        onPieces: (pieces) => {
          const tookMs = performance.now() - startMs
          void tail.stop().then(() => resolve({ lines: pieces, tookMs }))
        },
        onProblem: (problem) => expect(problem).toBeUndefined(),
      })
      tail.trigger()
    })
    expect(lines.map(({ text }) => text).slice(0, 2)).toEqual(['line 4000', 'line 4001'])
    console.log(`10 GiB: ${tookMs.toFixed(1)} ms, ${((process.memoryUsage.rss() - before) / 1024 ** 2).toFixed(1)} MiB`)
    // On an idle machine it takes some 10 ms; a busy one gets time.
    expect(tookMs).toBeLessThan(1000)
    expect(process.memoryUsage.rss() - before).toBeLessThan(50 * 1024 ** 2)
  })
})
