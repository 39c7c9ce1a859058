/** What the console part relies on when it reads log files: one suite for the fake and for real files. */
import { appendFileSync, existsSync, mkdtempSync, renameSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSystemClock } from '../../../../src/adapters/clock/system.ts'
import { createLogFiles } from '../../../../src/adapters/console/log-files.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { FakeLogFiles } from '../../../../src/adapters/fake/log-files.ts'
import type { LogFiles, OpenLogFile } from '../../../../src/ports/log-files.ts'

/** Files, and what guests, libvirt and people do to them. */
type World = Pick<FakeLogFiles, 'append' | 'truncate' | 'rotate' | 'remove'> & {
  readonly files: LogFiles
  readonly path: string
  close(): void
}

function fakeWorld(): World {
  const files = new FakeLogFiles()
  return {
    files,
    path: '/log/a.log',
    append: (path, data) => files.append(path, data),
    truncate: (path) => files.truncate(path),
    rotate: (path) => files.rotate(path),
    remove: (path) => files.remove(path),
    close: () => undefined,
  }
}

function realWorld(): World {
  const directory = mkdtempSync(join(tmpdir(), 'pvc-log-files-'))
  return {
    files: createLogFiles({ directory, clock: createSystemClock(), log: new FakeLog() }),
    path: join(directory, 'a.log'),
    append: (path, data) => appendFileSync(path, data),
    truncate: (path) => truncateSync(path),
    rotate(path) {
      for (const [from, to] of [
        [`${path}.1`, `${path}.2`],
        [`${path}.0`, `${path}.1`],
        [path, `${path}.0`],
      ] as const)
        if (existsSync(from)) renameSync(from, to)
    },
    remove: (path) => rmSync(path),
    close: () => rmSync(directory, { recursive: true, force: true }),
  }
}

const textOf = async (file: OpenLogFile | undefined, offset = 0, maxBytes = 100) =>
  Buffer.from((await file?.read(offset, maxBytes)) ?? []).toString()

describe.each([
  ['fake', fakeWorld],
  ['real', realWorld],
] as const)('log files (%s)', (_, open) => {
  let world: World
  let files: LogFiles
  let path: string
  beforeEach(() => {
    world = open()
    ;({ files, path } = world)
  })
  afterEach(() => world.close())

  it('that are not there are not there', async () => {
    expect(await files.identify(path)).toBeUndefined()
    expect(await files.open(path)).toBeUndefined()
  })

  it('grow under whoever has them open, and are read from any place', async () => {
    world.append(path, 'hello')
    const file = await files.open(path)
    expect(await files.identify(path)).toEqual({ id: file?.id, sizeBytes: 5 })
    world.append(path, ' world')
    expect(await file?.sizeBytes()).toBe(11)
    expect(await textOf(file)).toBe('hello world')
    expect(await textOf(file, 4, 3)).toBe('o w')
    expect(await textOf(file, 11)).toBe('')
    expect(await textOf(file, 50)).toBe('')
    await file?.close()
  })

  it('hold any bytes', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_each, index) => index)
    world.append(path, bytes)
    const file = await files.open(path)
    expect([...((await file?.read(0, 1000)) ?? [])]).toEqual([...bytes])
    await file?.close()
  })

  it('that are cut off keep what they are', async () => {
    world.append(path, 'before')
    const file = await files.open(path)
    world.truncate(path)
    expect(await files.identify(path)).toEqual({ id: file?.id, sizeBytes: 0 })
    expect(await textOf(file)).toBe('')
    world.append(path, 'after')
    expect(await textOf(file)).toBe('after')
    await file?.close()
  })

  it('that are changed for new ones are read to their end under their old name', async () => {
    world.append(path, 'old')
    const old = await files.open(path)
    world.rotate(path)
    expect(await files.identify(path)).toBeUndefined()
    world.append(path, 'new')
    expect((await files.identify(path))?.id).not.toBe(old?.id)
    expect((await files.identify(`${path}.0`))?.id).toBe(old?.id)
    expect(await textOf(old)).toBe('old')
    world.rotate(path)
    expect((await files.identify(`${path}.1`))?.id).toBe(old?.id)
    await old?.close()
  })

  it('that are removed can be read by whoever has them open', async () => {
    world.append(path, 'gone')
    const file = await files.open(path)
    world.remove(path)
    expect(await files.open(path)).toBeUndefined()
    expect(await textOf(file)).toBe('gone')
    await file?.close()
  })

  it('tell of changes, until nobody wants to know', async () => {
    const told: (string | undefined)[] = []
    const later: (string | undefined)[] = []
    /** Appends until it is told: a watch begins a moment after it was asked for. */
    const isTold = (who: (string | undefined)[]) =>
      expect.poll(() => {
        world.append(path, 'x')
        return who
      })
    const end = files.watch((each) => told.push(each))
    await isTold(told).toContain(path)
    end()
    const count = told.length
    const endLater = files.watch((each) => later.push(each))
    await isTold(later).toContain(path)
    endLater()
    expect(told).toHaveLength(count)
  })
})
