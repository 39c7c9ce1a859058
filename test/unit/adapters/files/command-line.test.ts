import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { namesVolume, qemuUuid } from '../../../../src/adapters/files/command-line.ts'

const captured = readFileSync(
  new URL('../../../data/proc/libvirt-9.0.0-qemu-7.2-rbd.cmdline', import.meta.url),
  'utf8',
).split('\0')

describe('the arguments of a QEMU that libvirt 9.0.0 started', () => {
  it('give its VM', () => {
    expect(qemuUuid(captured)).toBe('aaaaaaaa-0000-4000-8000-000000000001')
  })

  it('name its volume, and no other', () => {
    expect(namesVolume(captured, 'vms/g1')).toBe(true)
    for (const other of ['vms/g', 'vms/g11', 'vm/g1', 'other/g1', 'g1/vms']) {
      expect(namesVolume(captured, other)).toBe(false)
    }
  })
})

it.each([
  [['/usr/bin/qemu-system-aarch64', '-uuid', 'AAAAAAAA-0000-4000-8000-000000000001'], true],
  [['qemu-kvm', '-uuid', 'aaaaaaaa-0000-4000-8000-000000000001'], true],
  [['/usr/bin/qemu-system-x86_64', '-name', 'x'], false],
  [['/usr/bin/qemu-system-x86_64', '-uuid'], false],
  [['/usr/bin/grep', 'qemu-system-x86_64', '-uuid', 'aaaaaaaa-0000-4000-8000-000000000001'], false],
  [[], false],
])('%j is a QEMU of a VM: %s', (args, isQemu) => {
  expect(qemuUuid(args) !== undefined).toBe(isQemu)
})

it.each([
  [['qemu-img', 'convert', 'rbd:vms/x:id=admin:conf=/etc/ceph/ceph.conf', 'y'], true],
  [['qemu-img', 'convert', 'rbd:vms/x2:id=admin', 'y'], false],
  [['rbd', 'import', '-', 'vms/x'], true],
  [['rbd', 'export', 'vms/x@snap', '-'], true],
  [['rbd', '-p', 'vms', 'bench', 'x'], true],
  [['rbd', '--pool', 'vms', '--image', 'x', 'export'], true],
  [['rbd', '--pool=vms', '--image=x'], true],
  [['rbd', '-p', 'other', 'bench', 'x'], false],
  [['qemu-io', '-c', 'open -o driver=rbd,pool=vms,image=x,user=libvirt'], true],
  [['qemu-io', '-c', 'open -o driver=rbd,image=x,pool=vms2'], false],
  [['qemu', '-blockdev', '{"driver":"raw","file":{"driver":"rbd","pool":"vms","image":"x"}}'], true],
  [['qemu', '-blockdev', '{broken'], false],
  [['bash'], false],
  [['/usr/bin/rbd', '--id', 'pvc', 'lock', 'ls', 'vms/x', '--format', 'json'], false],
  [['rbd', '--id', 'pvc', 'status', 'vms/x', '--format', 'json'], false],
  [['rbd', 'snap', 'ls', 'vms/x', '--format', 'json'], true],
  [['rbd', 'export', 'vms/x', '--format', 'json'], true],
])('%j names vms/x: %s', (args, isNamed) => {
  expect(namesVolume(args, 'vms/x')).toBe(isNamed)
})
