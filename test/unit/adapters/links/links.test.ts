/** What is asked of ip for many devices, and how kernel settings are kept. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { createLinks } from '../../../../src/adapters/links/links.ts'
import type { Command } from '../../../../src/adapters/process/command.ts'

const settingsDir = mkdtempSync(join(tmpdir(), 'pvc-settings-'))
afterAll(() => rmSync(settingsDir, { recursive: true }))

function world(stderr: (command: Command) => string = () => '') {
  const commands: Command[] = []
  const links = createLinks({
    clock: new ManualClock(),
    log: new FakeLog(),
    settingsDir,
    async run(command) {
      commands.push(command)
      const said = stderr(command)
      return { kind: 'exited', exitCode: said === '' ? 0 : 1, stdout: '', stderr: said, durationMs: 1 }
    },
  })
  return { links, commands }
}

const removals = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ kind: 'remove' as const, name: `vmbr${index}` }))

describe('changes of devices', () => {
  it('are made by few processes, none of which has more to do than it has time for', async () => {
    const { links, commands } = world()
    expect(await links.apply(removals(450))).toEqual([])
    const lines = commands.map(({ input }) => String(input).trim().split('\n'))
    expect(lines.map(({ length }) => length)).toEqual([100, 100, 100, 100, 50])
    expect(lines.flat()).toEqual(removals(450).map(({ name }) => `link delete ${name}`))
  })

  it('that fail are named, in whichever process', async () => {
    const { links } = world(({ input }) =>
      String(input).startsWith('link delete vmbr100\n') ? 'Cannot find device "vmbr101"\nCommand failed -:2\n' : '',
    )
    expect(await links.apply(removals(250))).toEqual([{ name: 'vmbr101', reason: 'Cannot find device "vmbr101"' }])
  })
})

describe('kernel settings', () => {
  it('are written where they differ; one that must be there and is not is a failure', async () => {
    const { links } = world()
    const all = Array.from({ length: 200 }, (_, index) => ({ key: `s${index}`, value: '1' }))
    for (const { key } of all) writeFileSync(join(settingsDir, key), key === 's150' ? '0\n' : '1\n')
    const absent = [
      { key: 'gone', value: '1' },
      { key: 'old', value: '1', mayBeAbsent: true },
    ]
    expect(await links.keep([...all, ...absent])).toMatchObject([{ name: 'gone' }])
    expect(all.filter(({ key }) => readFileSync(join(settingsDir, key), 'utf8').trim() !== '1')).toEqual([])
  })
})
