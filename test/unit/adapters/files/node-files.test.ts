import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createNodeFiles } from '../../../../src/adapters/files/node-files.ts'
import { parseHostSample } from '../../../../src/adapters/files/proc.ts'
import { processStartTicks } from '../../../../src/adapters/libvirt/system.ts'
import { BootId, LifeId, VmUuid } from '../../../../src/model/ids.ts'
import type { NodeFiles } from '../../../../src/ports/files.ts'

const uuid = VmUuid.parse('aaaaaaaa-0000-4000-8000-000000000001')
const other = VmUuid.parse('aaaaaaaa-0000-4000-8000-000000000002')
const life = LifeId.parse('0b5cf3c6-4b6e-4f8e-9e0d-3f6c2f1f0a11')
const data = (name: string) => new URL(`../../../data/${name}`, import.meta.url)

let root: string
let files: NodeFiles

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'pvc-files-'))
  for (const name of ['proc/sys/kernel/random', 'libvirt', 'rbd']) await mkdir(join(root, name), { recursive: true })
  await writeFile(join(root, 'proc/sys/kernel/random/boot_id'), 'boot-one\n')
  files = createNodeFiles({
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
    procDir: join(root, 'proc'),
    libvirtRunDir: join(root, 'libvirt'),
    rbdDevicesDir: join(root, 'rbd'),
  })
})

afterEach(() => rm(root, { recursive: true }))

/** A process in the copied /proc. */
async function addProcess(pid: number, cmdline: string | URL, maps = '') {
  const directory = join(root, 'proc', String(pid))
  await mkdir(directory)
  if (cmdline instanceof URL) await copyFile(cmdline, join(directory, 'cmdline'))
  else await writeFile(join(directory, 'cmdline'), cmdline)
  await writeFile(join(directory, 'maps'), maps)
}

describe('a life', () => {
  it('is kept over restarts of the daemon, not over a boot', async () => {
    const boot = await files.bootId()
    expect(boot).toBe('boot-one')
    expect(await files.readLife(boot)).toBeUndefined()
    await files.writeLife(boot, life)
    expect(await files.readLife(boot)).toBe(life)
    expect(await files.readLife(BootId.parse('boot-two'))).toBeUndefined()
  })
})

describe('permits', () => {
  it('are written as the libvirt hook reads them, whole or not at all', async () => {
    await files.writePermit(uuid, { life, seq: 7 })
    await files.writePermit(uuid, { life, seq: 8 })
    expect(await readFile(join(root, 'run/permit', uuid), 'utf8')).toBe(`${life} 8\n`)
    expect(await readdir(join(root, 'run/permit'))).toEqual([uuid])
  })

  it('are listed and removed; a missing one may be removed', async () => {
    expect((await files.permits()).size).toBe(0)
    await files.writePermit(uuid, { life, seq: 7 })
    await files.writePermit(other, { life, seq: 1 })
    await files.removePermit(other)
    await files.removePermit(other)
    expect([...(await files.permits())]).toEqual([[uuid, { life, seq: 7 }]])
    expect(await files.permit(uuid)).toEqual({ life, seq: 7 })
  })

  it('that are damaged, or no permits at all, are left out', async () => {
    await files.writePermit(uuid, { life, seq: 7 })
    await writeFile(join(root, 'run/permit', other), 'half')
    await writeFile(join(root, 'run/permit', `.${other}.1.2`), `${life} 7\n`)
    expect([...(await files.permits()).keys()]).toEqual([uuid])
  })
})

describe('run sequences', () => {
  it('are kept on disk', async () => {
    expect((await files.readSeqs()).size).toBe(0)
    await files.writeSeqs(new Map([[uuid, 5]]))
    expect([...(await files.readSeqs())]).toEqual([[uuid, 5]])
    expect(await readdir(join(root, 'state'))).toEqual(['seqs.json'])
  })

  it('that are damaged are not taken for none', async () => {
    await mkdir(join(root, 'state'))
    await writeFile(join(root, 'state/seqs.json'), '{"aaaaaaaa')
    await expect(files.readSeqs()).rejects.toThrow('seqs.json is damaged')
  })
})

describe('processes', () => {
  it('of guests are found by their UUID; others, vanished ones and zombies are not', async () => {
    await addProcess(100, data('proc/libvirt-9.0.0-qemu-7.2-rbd.cmdline'))
    await addProcess(101, '/bin/bash\0')
    await addProcess(102, '')
    // What readdir saw is gone when it is read.
    await symlink('nowhere', join(root, 'proc/103'))
    expect([...(await files.qemuProcesses())]).toEqual([[uuid, 100]])
  })

  it('that use a volume have librbd loaded and name it', async () => {
    const maps = '7f0 r-xp /usr/lib/x86_64-linux-gnu/librbd.so.1.16.0\n'
    await addProcess(100, data('proc/libvirt-9.0.0-qemu-7.2-rbd.cmdline'), maps)
    await addProcess(101, 'vim\0vms/g1\0')
    await addProcess(102, 'rbd\0bench\0vms/g1\0', maps)
    expect(await files.volumeUsers('vms/g1')).toEqual([100, 102])
    expect(await files.volumeUsers('vms/g2')).toEqual([])
  })

  it('that got a volume plugged in are found by the status files of libvirt', async () => {
    await copyFile(data('libvirt-9.0.0/status-rbd.xml'), join(root, 'libvirt/g1.xml'))
    expect(await files.volumeUsers('vms/g1')).toEqual([])
    await addProcess(4645, '/usr/bin/qemu-system-x86_64\0')
    expect(await files.volumeUsers('vms/g1')).toEqual([4645])
    expect(await files.volumeUsers('vms/g')).toEqual([])
  })

  it('are not needed for a volume mapped by the kernel', async () => {
    await mkdir(join(root, 'rbd/0'))
    await writeFile(join(root, 'rbd/0/pool'), 'vms\n')
    await writeFile(join(root, 'rbd/0/name'), 'g1\n')
    expect(await files.volumeUsers('vms/g1')).toEqual([0])
  })
})

describe('the copy that may arrive', () => {
  it('is written as the libvirt hook reads it, and removed', async () => {
    expect(await files.incoming(uuid)).toBeUndefined()
    await files.writeIncoming(uuid, 'm-1')
    await files.writeIncoming(uuid, 'm-2')
    expect(await readFile(join(root, 'run/incoming', uuid), 'utf8')).toBe('m-2\n')
    expect(await files.incoming(uuid)).toBe('m-2')
    await files.removeIncoming(uuid)
    await files.removeIncoming(uuid)
    expect(await files.incoming(uuid)).toBeUndefined()
  })

  it('is a plain word', async () => {
    await expect(files.writeIncoming(uuid, 'm 1')).rejects.toThrow('plain word')
    await mkdir(join(root, 'run/incoming'), { recursive: true })
    await writeFile(join(root, 'run/incoming', uuid), 'm 1\n')
    expect(await files.incoming(uuid)).toBeUndefined()
  })
})

describe('ending a QEMU', () => {
  let real: NodeFiles
  const children: ChildProcess[] = []

  beforeEach(() => {
    real = createNodeFiles({ runDir: join(root, 'run'), stateDir: join(root, 'state') })
  })
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
  })

  /** A process that looks like QEMU; `signals` says in Perl what it does with them. */
  async function qemu(signals = '') {
    const program = join(root, 'qemu-system-test')
    const code = `$| = 1; ${signals}; print "ready"; sleep 60`
    const argv = ['-c', `exec -a ${program} perl -e '${code}' -- -uuid ${uuid}`]
    const child = spawn('/bin/bash', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    await once(child.stdout, 'data')
    const ended = once(child, 'exit')
    return { pid: child.pid ?? -1, child, ended }
  }

  it('by force spares a process that is another one meanwhile, and kills the right one', async () => {
    const { pid, child, ended } = await qemu()
    expect((await real.qemuProcesses()).get(uuid)).toBe(pid)
    await real.killQemu(other, pid)
    expect(child.exitCode).toBeNull()
    await real.killQemu(uuid, pid)
    expect(await ended).toEqual([null, 'SIGKILL'])
    await real.killQemu(uuid, pid)
  })

  it('in an orderly way waits until it is gone', async () => {
    const { pid, ended } = await qemu('$SIG{TERM} = sub { select undef, undef, undef, 0.2; exit 7 }')
    expect(await real.endQemu(other, pid, 5000)).toBe('ended')
    expect((await real.qemuProcesses()).get(uuid)).toBe(pid)
    expect(await real.endQemu(uuid, pid, 5000)).toBe('ended')
    expect((await real.qemuProcesses()).has(uuid)).toBe(false)
    expect(await ended).toEqual([7, null])
    expect(await real.endQemu(uuid, pid, 5000)).toBe('ended')
  })

  it('turns to force when it does not heed the signal', async () => {
    const { pid, ended } = await qemu('$SIG{TERM} = "IGNORE"')
    expect(await real.endQemu(uuid, pid, 100)).toBe('killed')
    expect(await ended).toEqual([null, 'SIGKILL'])
  })

  it('fails when even that does not end it', async () => {
    const { pid } = await qemu()
    const signals: string[] = []
    const processHandle = {
      startTicks: processStartTicks,
      signal: (_pid: number, _ticks: number, signal: string) => signals.push(signal) > 0,
      waitExit: async () => false,
    }
    const stuck = createNodeFiles({ runDir: root, stateDir: root, processHandle, killMs: 50 })
    await expect(stuck.endQemu(uuid, pid, 10)).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
    expect(signals).toEqual(['SIGTERM', 'SIGKILL'])
  })
})

describe('the host sample', () => {
  it('counts what the kernel can give back as free', () => {
    const meminfo = 'MemTotal:       8192000 kB\nMemFree:        1024000 kB\nMemAvailable:   4096000 kB\n'
    expect(parseHostSample('0.52 0.40 0.30 1/234 5678\n', meminfo)).toEqual({
      load1: 0.52,
      memoryUsedMiB: 4000,
      memoryFreeMiB: 4000,
    })
    expect(() => parseHostSample('', meminfo)).toThrow('unknown format')
  })

  it('is read from this machine', async () => {
    const sample = await createNodeFiles({ runDir: root, stateDir: root }).hostSample()
    expect(sample.memoryUsedMiB + sample.memoryFreeMiB).toBeGreaterThan(100)
  })

  it('names the bridges, and no other device', async () => {
    const deviceDir = join(root, 'net')
    for (const name of ['vmbr7/bridge', 'br0/bridge', 'eth0']) await mkdir(join(deviceDir, name), { recursive: true })
    const sample = await createNodeFiles({ runDir: root, stateDir: root, deviceDir }).hostSample()
    expect(sample.bridges).toEqual(['br0', 'vmbr7'])
    const none = await createNodeFiles({ runDir: root, stateDir: root, deviceDir: join(root, 'no') }).hostSample()
    expect(none.bridges).toEqual([])
  })
})
