import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { parseKeyring, readCephKey } from '../../../../src/adapters/ceph/keyring.ts'

const KEY = 'AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA=='
const KEYRING = `[client.admin]
\tkey = AQBBBBBBBBBBABAAAAAAAAAAAAAAAAAAAAAAAA==
\tcaps mon = "allow *"
[client.libvirt]
\tkey = ${KEY}
`

it('finds the key of the user that was asked for', () => {
  expect(parseKeyring(KEYRING, 'client.libvirt')?.toString('base64')).toBe(KEY)
  expect(parseKeyring(KEYRING, 'client.other')).toBeUndefined()
})

it('takes no damaged key', () => {
  expect(parseKeyring('[client.x]\nkey = AQBB\n', 'client.x')).toBeUndefined()
  expect(parseKeyring('[client.x]\nkey = not*base64*at*all*here\n', 'client.x')).toBeUndefined()
})

it('says which file or user is missing, never the key', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pvc-keyring-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const path = join(directory, 'keyring')
  await writeFile(path, KEYRING)
  expect((await readCephKey(path, 'libvirt')).length).toBe(28)
  await expect(readCephKey(path, 'other')).rejects.toMatchObject({
    code: 'PVC_CEPH_NOT_FOUND',
    message: expect.not.stringContaining(KEY),
  })
  await expect(readCephKey(join(directory, 'none'), 'libvirt')).rejects.toMatchObject({ code: 'PVC_CEPH_NOT_FOUND' })
})
