import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createHost } from '../../../../src/adapters/host/host.ts'
import { takeInstanceLock } from '../../../../src/adapters/host/instance-lock.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pvc-host-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

function host() {
  return createHost({
    guestKeyring: join(dir, 'keyring'),
    guestUser: 'libvirt',
    shippedHook: resolve('systemd/libvirt-hook/qemu'),
    installedHook: join(dir, 'qemu'),
    rebootCommand: ['false'],
    machineIdFile: join(dir, 'machine-id'),
  })
}

describe('host', () => {
  it('knows the machine id, or that there is none', async () => {
    expect(await host().machineId()).toBeUndefined()
    writeFileSync(join(dir, 'machine-id'), 'uninitialized\n')
    expect(await host().machineId()).toBeUndefined()
    writeFileSync(join(dir, 'machine-id'), `${'0a'.repeat(16)}\n`)
    expect(await host().machineId()).toBe('0a'.repeat(16))
  })

  it('tells whether the start hook is in place, with the fix', async () => {
    expect(await host().startHookProblem()).toMatch(/is missing: copy .*libvirt-hook\/qemu there/)
    writeFileSync(join(dir, 'qemu'), '#!/bin/sh\nexit 0\n')
    expect(await host().startHookProblem()).toMatch(/not the one of this release/)
    writeFileSync(join(dir, 'qemu'), readFileSync('systemd/libvirt-hook/qemu'))
    expect(await host().startHookProblem()).toMatch(/not executable/)
    chmodSync(join(dir, 'qemu'), 0o755)
    expect(await host().startHookProblem()).toBeUndefined()
  })

  it('names the keyring when the key of guests is missing', async () => {
    await expect(host().guestKey()).rejects.toThrow(/keyring .*keyring cannot be read/)
  })
})

describe('instance lock', () => {
  it('is held by one at a time', async () => {
    const path = join(dir, 'run', 'pvcnoded.sock')
    const lock = await takeInstanceLock(path)
    await expect(takeInstanceLock(path)).rejects.toMatchObject({ code: 'PVC_STATE_REFUSED' })
    await lock.release()
    const again = await takeInstanceLock(path)
    await again.release()
  })

  it('is free when its holder was killed', async () => {
    const path = join(dir, 'pvcnoded.sock')
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', script], { timeout: 10_000 })
    expect(existsSync(path)).toBe(true)
    const lock = await takeInstanceLock(path)
    await lock.release()
  })
})
