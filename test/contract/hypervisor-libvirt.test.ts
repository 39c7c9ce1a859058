import { describeHypervisor } from './hypervisor.contract.ts'
import { libvirtWorld } from './hypervisor-world.ts'

describeHypervisor('libvirt with QEMU', libvirtWorld)
