import { expect, it } from 'vitest'
import { readableReason, toHypervisorError } from '../../../../src/adapters/libvirt/hypervisor-errors.ts'
import { LibvirtError } from '../../../../src/adapters/libvirt/libvirt-error.ts'
import { errorChain } from '../../../../src/model/errors.ts'

const libvirtError = (code: number, message: string) =>
  new LibvirtError(message, { code, domain: 10, level: 2, call: 'x' })

it.each([
  [27, 'PVC_XML_INVALID', true],
  [92, 'PVC_XML_INVALID', true],
  [67, 'PVC_HYPERVISOR_FAILED', true],
  [70, 'PVC_HYPERVISOR_FAILED', false],
  [1, 'PVC_HYPERVISOR_FAILED', false],
] as const)('libvirt code %i is %s, final: %s', (libvirtCode, code, isFinal) => {
  const error = toHypervisorError('create of domain x', libvirtError(libvirtCode, 'why'))
  expect(error).toMatchObject({ code, details: { libvirtCode, isFinal } })
  expect(errorChain(error)).toBe('create of domain x failed: why')
})

it('leaves other errors alone', () => {
  const bug = new TypeError('bug')
  expect(toHypervisorError('x', bug)).toBe(bug)
})

it('tells what the start hook said, not how libvirt called it', () => {
  expect(
    readableReason(
      'Hook script execution failed: internal error: Child process (LC_ALL=C PATH=/usr/bin HOME=/root /etc/libvirt/hooks/qemu g1 prepare begin -) unexpected exit status 1: PVC refuses to start VM g1 on this host: pvcnoded gave no permit\n',
    ),
  ).toBe('PVC refuses to start VM g1 on this host: pvcnoded gave no permit')
})

it('tells what QEMU said, without the options it quotes', () => {
  expect(
    readableReason(
      'internal error: process exited while connecting to monitor: 2026-11-21T03:52:31.672208Z qemu-system-x86_64: -blockdev {"driver":"rbd","pool":"vms","image":"nope","key-secret":"s0"}: error reading header from nope: No such file or directory',
    ),
  ).toBe(
    'internal error: process exited while connecting to monitor: qemu-system-x86_64: error reading header from nope: No such file or directory',
  )
  expect(readableReason("domain 'g1' is already active")).toBe("domain 'g1' is already active")
})
