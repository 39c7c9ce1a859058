/** Programs that outlived their daemon are ended; a process that only has the same number is not. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { endLeftRuns, noteRun } from '../../../../src/adapters/process/runs.ts'

const dir = mkdtempSync(join(tmpdir(), 'pvc-runs-'))
let child: ChildProcess
afterEach(() => {
  child.kill('SIGKILL')
  rmSync(dir, { recursive: true, force: true })
})

async function start(): Promise<number> {
  child = spawn('sleep', ['60'])
  await once(child, 'spawn')
  return child.pid ?? 0
}

it('ends what is still there, once', async () => {
  noteRun(dir, 'dnsmasq of network 100', await start())
  const log = new FakeLog()
  const ended = once(child, 'exit')
  endLeftRuns(dir, log)
  expect((await ended)[1]).toBe('SIGKILL')
  expect(log.messages('warn')).toHaveLength(1)
  expect(readdirSync(dir)).toEqual([])
  endLeftRuns(dir, log)
})

it('leaves a process alone that began at another time', async () => {
  noteRun(dir, 'x', await start())
  const [file = ''] = readdirSync(dir)
  const note: { startTime: string } = JSON.parse(readFileSync(join(dir, file), 'utf8'))
  writeFileSync(join(dir, file), JSON.stringify({ ...note, startTime: `${Number(note.startTime) + 1}` }))
  endLeftRuns(dir, new FakeLog())
  expect(child.exitCode).toBeNull()
  expect(child.kill(0)).toBe(true)
})
