import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ClusterKey, readClusterKey } from '../../../../src/adapters/crypto/cluster-key.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'pvc-key-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function file(name: string, text: string, mode = 0o600): string {
  const path = join(dir, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

const good = randomBytes(32).toString('base64')

describe('the cluster key', () => {
  it('is read from what openssl rand -base64 32 prints', async () => {
    const key = await readClusterKey(file('good', `${good}\n`))
    expect(key.derive('peer')).toHaveLength(32)
  })

  it.each([
    ['missing', () => join(dir, 'none'), /is missing\. Make it on one node: .*openssl rand -base64 32/],
    ['readable by its group', () => file('group', good, 0o640), /can be read by others: chmod 600/],
    ['readable by all', () => file('all', good, 0o604), /can be read by others/],
    ['a folder', () => dir, /is not a plain file/],
    ['too short', () => file('short', randomBytes(16).toString('base64')), /does not hold 32 bytes in base64/],
    ['empty', () => file('empty', ''), /does not hold 32 bytes/],
  ])('is refused when it is %s', async (_, path, message) => {
    await expect(readClusterKey(path())).rejects.toMatchObject({ code: 'PVC_CONFIG_INVALID', message })
  })

  it('is followed through a link, where the file itself is looked at', async () => {
    symlinkSync(file('linked', good, 0o644), join(dir, 'link'))
    await expect(readClusterKey(join(dir, 'link'))).rejects.toMatchObject({ message: /can be read by others/ })
  })

  it('never shows in a message or as text', async () => {
    const open = file('open', good, 0o644)
    await expect(readClusterKey(open)).rejects.not.toMatchObject({ message: expect.stringContaining(good) })
    const key = await readClusterKey(file('again', good))
    expect(`${JSON.stringify(key)}${String(key)}`).not.toContain(good)
  })

  it('gives each use a key of its own', () => {
    const key = new ClusterKey(Buffer.alloc(32, 7))
    const keys = (['peer', 'seal', 'fingerprint'] as const).map((use) => key.derive(use).toString('hex'))
    expect(new Set(keys).size).toBe(3)
    expect(new ClusterKey(Buffer.alloc(32, 7)).derive('seal').toString('hex')).toBe(keys[1])
    expect(new ClusterKey(Buffer.alloc(32, 8)).derive('seal').toString('hex')).not.toBe(keys[1])
  })
})
