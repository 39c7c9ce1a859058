import { describe, expect, it } from 'vitest'
import { guestCpu } from '../../../src/model/guest-cpu.ts'

const CPU = `<cpu mode='custom' match='exact' check='full'><model fallback='forbid'>Skylake-Server</model></cpu>`

function domain(type: string, cpu: string): string {
  return `<domain type='${type}' id='3'><name>web</name><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>${cpu}</domain>`
}

describe('the processor of a running guest', () => {
  it('is the element libvirt has written out, and its architecture', () => {
    expect(guestCpu(domain('kvm', CPU))).toEqual({ arch: 'x86_64', xml: CPU })
  })

  it.each([
    ['emulated', domain('qemu', CPU)],
    ['passed through', domain('kvm', "<cpu mode='host-passthrough'/>")],
    ['not named', domain('kvm', '')],
  ])('needs no comparing when it is %s', (_what, xml) => {
    expect(guestCpu(xml)).toBeUndefined()
  })
})
