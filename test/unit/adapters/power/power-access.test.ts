import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readPowerAccess } from '../../../../src/adapters/power/power-access.ts'
import type { Config } from '../../../../src/model/config.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'pvc-access-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function file(name: string, text: string, mode = 0o600): string {
  const path = join(dir, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

const ipmi = { method: 'ipmi', host: 'bmc1', user: 'admin', interface: 'lanplus', cipherSuite: 17 } as const
const command: Extract<Config['power'], { method: 'command' }> = {
  method: 'command',
  on: ['x', 'on'],
  off: ['x', 'off'],
  status: ['x', 'status'],
}

describe('how the power of this node is switched', () => {
  it('has the first line of the password file', async () => {
    const access = await readPowerAccess({ ...ipmi, passwordFile: file('password', 'hidden-word\nsecond\n') })
    expect(access).toEqual({ ...ipmi, password: 'hidden-word' })
  })

  it('has the environment of the command', async () => {
    const environmentFile = file('environment', '# PDU\nPDU_HOST=pdu1\n\nPDU_KEY=a=b c\n')
    const access = await readPowerAccess({ ...command, environmentFile })
    expect(access).toEqual({ ...command, environment: { PDU_HOST: 'pdu1', PDU_KEY: 'a=b c' } })
    expect(await readPowerAccess(command)).toEqual({ ...command, environment: {} })
    expect(await readPowerAccess({ method: 'none' })).toEqual({ method: 'none' })
  })

  it.each([
    [
      'a missing password',
      () => ({ ...ipmi, passwordFile: join(dir, 'none') }),
      /none is missing\. Write the password/,
    ],
    ['one that others can read', () => ({ ...ipmi, passwordFile: file('open', 'hidden-word', 0o644) }), /chmod 600/],
    [
      'a line that is no setting',
      () => ({ ...command, environmentFile: file('odd', 'A=1\nhidden-word') }),
      /Line 2 of/,
    ],
  ])('refuses %s, without showing it', async (_, power, message) => {
    const reading = readPowerAccess(power())
    await expect(reading).rejects.toMatchObject({ code: 'PVC_CONFIG_INVALID', message })
    await expect(reading).rejects.not.toMatchObject({ message: expect.stringContaining('hidden-word') })
  })
})
