import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readLatestEnd } from '../../../../src/adapters/files/qemu-log.ts'

/** A guest that was moved away and back twice, the second time at the third attempt, and runs: the lines of libvirt are whole, those of QEMU cut. */
const CAPTURED = new URL('../../../data/libvirt-9.0.0/qemu-log.txt', import.meta.url)
const STARTED = '2026-11-21 22:32:47.194+0000: starting up libvirt version: 9.0.0\n'

let root: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'pvc-qemu-log-'))
})

afterEach(() => rm(root, { recursive: true }))

describe('the latest end of a domain by its log', () => {
  it('is none while its latest QEMU runs, whatever was before', async () => {
    await copyFile(CAPTURED, join(root, 'roamer.log'))
    expect(await readLatestEnd(root, 'roamer')).toBeUndefined()
  })

  it('is the end of a QEMU that we ended when its copy was complete, as libvirt words it', async () => {
    const whole = await readFile(CAPTURED, 'utf8')
    await writeFile(join(root, 'roamer.log'), whole.slice(0, whole.lastIndexOf('2026-11-21 22:32:47.194')))
    const atWallMs = Date.parse('2026-11-21T22:32:38.501Z')
    expect(await readLatestEnd(root, 'roamer')).toEqual({ reason: 'migrated', atWallMs })
  })

  it.each([
    ['2026-11-21 22:33:01.000+0000: shutting down, reason=migrated', 'migrated'],
    ['2026-11-21 22:33:01.000+0000: shutting down, reason=shutdown', 'shutdown'],
    ['2026-11-21 22:33:01.000+0000: shutting down, reason=from-snapshot', 'from-snapshot'],
  ])('is told with its time: %s', async (line, reason) => {
    const said = '2026-11-21T22:33:01.100Z qemu-system-x86_64: terminating on signal 15 from pid 111 (libvirtd)\n'
    await writeFile(join(root, 'web.log'), `${STARTED}${'x'.repeat(100_000)}\n${line}\n${said}`)
    expect(await readLatestEnd(root, 'web')).toEqual({ reason, atWallMs: Date.UTC(2026, 10, 21, 22, 33, 1) })
  })

  it('is not what QEMU or a guest says in the middle of a line', async () => {
    await writeFile(join(root, 'web.log'), `${STARTED}x 2026-11-21 22:33:01.000+0000: shutting down, reason=migrated\n`)
    expect(await readLatestEnd(root, 'web')).toBeUndefined()
  })

  it('is none without a log', async () => {
    expect(await readLatestEnd(root, 'web')).toBeUndefined()
  })
})
